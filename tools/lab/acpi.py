# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""An ACPI table that says: the power of this port, and so of the device in it, can be turned off (_PR3). It is what
laptops have for a GPU that sleeps; nothing is turned off really.

A table in AML, the compiled form (ACPI 6.5, chapter 20):

    Scope (\\_SB.PCI0) {
        PowerResource (GPWR, 0, 0) {
            Method (_STA) { Return (One) }
            Method (_ON) {}
            Method (_OFF) {}
        }
        Device (GP00) { Name (_ADR, ...) Device (GP01) { Name (_ADR, ...) ... Name (_PR0, ...) Name (_PR3, ...) } }
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


def number(value):
    return b"\x0c" + value.to_bytes(4, "little")


def method(word, body=b""):
    return package(b"\x14", word + ZERO_ARGUMENTS + body)


def device(word, body):
    return package(b"\x5b\x82", word + body)


def power_of_port(ports):
    """The body of the table; ports: the PCI slots on the way from the root bus to the port."""
    resource = package(b"\x5b\x84", b"GPWR" + b"\0" + b"\0\0" + method(b"_STA", b"\xa4" + ONE) + method(b"_ON_") + method(b"_OFF"))
    needs = package(b"\x12", b"\x01" + b"GPWR")
    body = name(b"_PR0", needs) + name(b"_PR3", needs)
    for i, slot in reversed(list(enumerate(ports))):
        body = device(b"GP%02d" % i, name(b"_ADR", number(slot << 16)) + body)
    return package(b"\x10", b"\\\x2e_SB_PCI0" + resource + body)
