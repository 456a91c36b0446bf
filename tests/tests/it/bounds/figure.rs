//! The figure of the README: bytes on the registry's link over the number of hosts, and the numbers behind it.

use std::fmt::Write as _;
use std::path::Path;

use super::bytes::{Measured, measure};

const HOSTS: [u32; 7] = [1, 2, 4, 6, 8, 12, 16];
const ROUNDS: u32 = 12;
/// The picture in pixels.
const WIDTH: u64 = 640;
const HEIGHT: u64 = 380;
/// Where the axes meet, and how long they are.
const LEFT: u64 = 70;
const BOTTOM: u64 = 320;
const ACROSS: u64 = 400;
const UP: u64 = 270;
/// The distance of two lines of the grid.
const GRID_BYTES: u64 = 4 << 10;

/// Measures and draws.
#[tokio::test]
#[ignore = "draws a figure: make figures"]
async fn registry_bytes() {
    let mut all = Vec::new();
    for hosts in HOSTS {
        let measured = measure(hosts, ROUNDS).await;
        println!("{measured:?}");
        all.push(measured);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("figures");
    std::fs::create_dir_all(&folder).unwrap();
    let rows: Vec<_> = all
        .iter()
        .map(|one| serde_json::json!({"hosts": one.hosts, "feed": one.feed, "broadcast": total(&all, *one)}))
        .collect();
    let data =
        serde_json::json!({"unit": "bytes on the registry link for one transaction", "rows": rows});
    let data = serde_json::to_string_pretty(&data).unwrap();
    std::fs::write(folder.join("registry-bytes.json"), data + "\n").unwrap();
    std::fs::write(folder.join("registry-bytes.svg"), draw(&all)).unwrap();
}

/// With broadcast the feed is not needed: what a host alone costs, and the notices.
fn total(all: &[Measured], one: Measured) -> u64 {
    all[0].feed + one.broadcast
}

fn draw(all: &[Measured]) -> String {
    let highest = all.iter().map(|one| total(all, *one).max(one.feed)).max();
    let top = highest.unwrap_or(1).next_multiple_of(GRID_BYTES);
    let last = u64::from(all.last().map_or(1, |one| one.hosts));
    let x = |hosts: u64| LEFT + hosts * ACROSS / last;
    let y = |bytes: u64| BOTTOM - bytes * UP / top;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"28\" font-size=\"15\">Bytes on the registry link for one transaction</text>\n"
    );
    for bytes in (0..=top).step_by(usize::try_from(GRID_BYTES).unwrap()) {
        let (at, end, kibibytes) = (y(bytes), LEFT + ACROSS, bytes >> 10);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at}H{end}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{kibibytes} KiB</text>",
            LEFT - 8,
            at + 4
        );
    }
    for one in all {
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(one.hosts.into()),
            BOTTOM + 20,
            one.hosts
        );
    }
    let middle = LEFT + ACROSS / 2;
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">hosts</text>",
        BOTTOM + 42
    );
    let feed: Vec<_> = all
        .iter()
        .map(|one| (x(one.hosts.into()), y(one.feed)))
        .collect();
    let broadcast = all
        .iter()
        .map(|one| (x(one.hosts.into()), y(total(all, *one))));
    line(
        &mut svg,
        &broadcast.collect::<Vec<_>>(),
        "#c0392b",
        "a notice to every host",
    );
    line(&mut svg, &feed, "#1f6f8b", "capped feed (sop)");
    svg.push_str("</svg>\n");
    svg
}

fn line(svg: &mut String, points: &[(u64, u64)], colour: &str, label: &str) {
    let path: Vec<_> = points.iter().map(|(x, y)| format!("{x} {y}")).collect();
    let _ = writeln!(
        svg,
        "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        path.join("L")
    );
    for (x, y) in points {
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{colour}\"/>"
        );
    }
    if let Some((x, y)) = points.last() {
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{label}</text>",
            x + 8,
            y + 4
        );
    }
}
