# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""An ACPI table that says: the power of this port, and so of the device in it, can be turned off (_PR3). It is what
laptops have for a GPU that sleeps; nothing is turned off really.

A table in AML, the compiled form (ACPI 6.5, chapter 20). QEMU's own table has each port already, by its slot and function:

    Scope (\\_SB.PCI0) {
        PowerResource (GPWR, 0, 0) {
            Method (_STA) { Return (One) }
            Method (_ON) {}
            Method (_OFF) {}
        }
    }
    Scope (\\_SB.PCI0.S80.S00.S08) {
        Name (_PR0, Package () { GPWR })
        Name (_PR3, Package () { GPWR })
    }
"""

ZERO_ARGUMENTS = b"\0"
ONE = b"\x01"


def package(opcode, body):
    """An object with its length in front of its body."""
    length = len(body) + 1
    if length < 0x40:
        return opcode + bytes([length]) + body
    length += 1
    return opcode + bytes([0x40 | length & 0xf, length >> 4]) + body


def name(word, data):
    return b"\x08" + word + data


def method(word, body=b""):
    return package(b"\x14", word + ZERO_ARGUMENTS + body)


def scope(segments, body):
    return package(b"\x10", b"\\\x2f" + bytes([len(segments)]) + b"".join(segments) + body)


def power_of_port(slots):
    """The body of the table; slots: those of the bridges on the way from the root bus to the port."""
    resource = package(b"\x5b\x84", b"GPWR" + b"\0" + b"\0\0" + method(b"_STA", b"\xa4" + ONE) + method(b"_ON_") + method(b"_OFF"))
    needs = package(b"\x12", b"\x01" + b"GPWR")
    bus = [b"_SB_", b"PCI0"]
    port = bus + [b"S%02X_" % (slot << 3) for slot in slots]
    return scope(bus, resource) + scope(port, name(b"_PR0", needs) + name(b"_PR3", needs))
