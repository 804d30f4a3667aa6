"""Small drawings without a drawing library: lines in a frame, as SVG."""

import numpy as np

WIDE, HIGH, LEFT, TOP = 460, 340, 60, 30
COLOURS = ("#0b6e99", "#c2571a", "#6b6b6b")


def lines(path, title, across, up, series, ticks_x, ticks_y):
    """`series`: [(name, xs, ys)] in drawing units 0..1; ticks: [(place 0..1, text)]."""
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE + LEFT + 20}" height="{HIGH + TOP + 50}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>', f'<text x="{LEFT}" y="18" font-size="14">{title}</text>']
    for at, text in ticks_x:
        x = LEFT + at * WIDE
        out.append(f'<path d="M{x:.1f} {TOP}V{TOP + HIGH}" stroke="#ddd"/><text x="{x:.1f}" y="{TOP + HIGH + 16}" text-anchor="middle">{text}</text>')
    for at, text in ticks_y:
        y = TOP + HIGH - at * HIGH
        out.append(f'<path d="M{LEFT} {y:.1f}H{LEFT + WIDE}" stroke="#ddd"/><text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for (name, xs, ys), colour, row in zip(series, COLOURS, range(9)):
        points = " ".join(f"{LEFT + np.clip(x, 0, 1) * WIDE:.1f},{TOP + HIGH - np.clip(y, 0, 1) * HIGH:.1f}" for x, y in zip(xs, ys))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
                   f'<text x="{LEFT + WIDE - 8}" y="{TOP + 18 + 16 * row}" text-anchor="end" fill="{colour}">{name}</text>')
    out.append(f'<rect x="{LEFT}" y="{TOP}" width="{WIDE}" height="{HIGH}" fill="none" stroke="#333"/>'
               f'<text x="{LEFT + WIDE / 2}" y="{TOP + HIGH + 36}" text-anchor="middle">{across}</text>'
               f'<text transform="translate(14 {TOP + HIGH / 2}) rotate(-90)" text-anchor="middle">{up}</text></svg>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")
