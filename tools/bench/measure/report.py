# SPDX-License-Identifier: LGPL-2.1 OR MIT
"""What make bench has found, for people: a table."""


def table(result):
    print(f"\n  Linux {result['kernel']}, one CPU; thousand instructions per MiB received (calibration {result['calibration']})\n")
    print(f"  {'method':16} {'MTU':>5} {'flows':>6} {'kinsn/MiB':>10}   {'runs':16} {'completions':>12} {'extents':>8}")
    for row in result["rows"]:
        counts = [row[f"{name}_per_mib"] for name in ("completions", "extents")]
        print(f"  {row['name']:16} {row['mtu']:5} {row['flows']:6} {row['kinsn_per_mib']:10.0f}   "
              f"{' '.join(f'{r:.0f}' for r in row['runs']):16} {'' if counts[0] is None else f'{counts[0]:.0f}':>12} "
              f"{'' if counts[1] is None else f'{counts[1]:.0f}':>8}")
    print(flush=True)
