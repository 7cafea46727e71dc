//! The page in a browser: what a reader clicks and points at. Needs Chromium; says so loudly and skips where there is none.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::report::{Record, fake, write};
use crate::store::key::Digest;

/// Clicks, points, and leaves what it saw in an element.
const READER: &str = include_str!("reader.js");

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
/// The browser's name; `ESTAMPA_CHROMIUM` goes before what is usual.
fn browser() -> Option<String> {
    let usual = ["chromium", "chromium-browser", "google-chrome"].map(String::from);
    let runs = |name: &String| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    let found = std::env::var("ESTAMPA_CHROMIUM").into_iter().chain(usual).find(runs);
    if found.is_none() {
        eprintln!("SKIPPED: no Chromium to open report.html in");
    }
    found
}

/// What the reader saw on the page of `record`; `None` without a browser.
fn seen(record: &Record, folder: &Path) -> Option<Value> {
    let browser = browser()?;
    let results = std::env::var_os("ESTAMPA_PAGE_OUT").map_or_else(|| folder.join("results"), Into::into);
    write(&Digest([7; 32]), record, &results).unwrap();
    let page = std::fs::read_to_string(results.join("report.html")).unwrap();
    let read = folder.join("read.html");
    std::fs::write(&read, page.replace("</body>", &format!("<script>{READER}</script></body>"))).unwrap();
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let arguments =
        ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom", &profile];
    let output = Command::new(browser).args(arguments).arg(format!("file://{}", read.display())).output().unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, rest) = dom.split_once("<pre id=\"seen\">").unwrap_or_else(|| panic!("the reader saw nothing: {output:?}"));
    let text = rest.split_once("</pre>").unwrap().0.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn a_reader_sorts_filters_points_and_opens() {
    let folder = tempfile::tempdir().unwrap();
    let Some(seen) = seen(&fake::record(&folder.path().join("cache")), folder.path()) else { return };
    assert_eq!(seen["errors"], serde_json::json!([]));
    assert_eq!(seen["dots"], 400, "two of three of 600 rows are test rows");
    let numbers =
        |name: &str| -> Vec<f64> { seen[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
    assert!(numbers("rising").len() > 3 && numbers("rising").is_sorted(), "{seen}");
    assert!(numbers("falling").iter().rev().is_sorted() && numbers("falling") != numbers("rising"), "{seen}");
    let (all, kept) = (seen["rows"].as_u64().unwrap(), seen["rowsWithWord"].as_u64().unwrap());
    assert!(0 < kept && kept < all && seen["visible"] == kept, "{seen}");
    let pointed = seen["pointed"].as_str().unwrap();
    assert!(pointed.contains("ZTF20fake") && pointed.contains("true ") && pointed.contains("called "), "{pointed}");
    assert_eq!(seen["pointedClass"], seen["pointedTruth"], "the dot's class is that of its object");
    assert_eq!(seen["cards"], seen["cell"], "as many objects as the cell says");
    assert!(seen["cards"].as_u64().unwrap() > 0 && seen["stampsDrawn"] == seen["cards"], "{seen}");
    assert_eq!(seen["cellTruths"], 1, "all objects of a cell have its class");
    assert!(seen["afterHiding"].as_u64().unwrap() == 320, "one class of five is hidden: {seen}");
}

#[test]
fn ten_thousand_objects_open_and_stay_below_thirty_megabytes() {
    let folder = tempfile::tempdir().unwrap();
    let rows = 15_000;
    let Some(seen) = seen(&fake::large(&folder.path().join("cache"), rows), folder.path()) else { return };
    assert_eq!((&seen["errors"], &seen["dots"]), (&serde_json::json!([]), &serde_json::json!(10_000)));
    assert_eq!(seen["stampsDrawn"], seen["cards"]);
    let size = std::fs::metadata(folder.path().join("read.html")).unwrap().len();
    assert!(size < 30_000_000, "{size} bytes");
}
