"""A bar chart: server CPU per request, one block a table."""
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, BAR, GAP = 720, 210, 90, 20, 8


def bars(results):
    """SVG that reads on light and dark ground. The whiskers go from the lowest to the highest round."""
    parts, y = [], 10
    results = {title: result for title, result in results.items() if all("cpu_us_per_request" in figures for figures in result.values())}
    most = max(figures["cpu_us_per_request"][2] for result in results.values() for figures in result.values())
    scale = (WIDTH - LEFT - RIGHT) / most
    for title, result in results.items():
        y += 20
        parts.append(f'<text x="0" y="{y}" class="title">{escape(title)}: server CPU per request, microseconds</text>')
        y += 12
        for name, figures in result.items():
            middle, low, high = figures["cpu_us_per_request"]
            kind = "own" if name == "geod" else "other"
            centre = y + BAR / 2
            parts.append(f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
                         f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{middle * scale:.1f}" height="{BAR}"/>'
                         f'<path d="M{LEFT + low * scale:.1f} {centre}H{LEFT + high * scale:.1f}"/>'
                         f'<text x="{LEFT + high * scale + 6:.1f}" y="{y + 15}">{middle:.2f}</text>')
            y += BAR + GAP
        y += 14
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="13" role="img" '
            'aria-label="server CPU per request">\n<style>text{fill:#444}.title{font-weight:bold}.own{fill:#0a7d5a}.other{fill:#9aa4ad}'
            'path{stroke:#222;fill:none}@media(prefers-color-scheme:dark){text{fill:#ccc}path{stroke:#eee}.other{fill:#5c666f}}</style>\n'
            + "\n".join(parts) + "\n</svg>\n")
