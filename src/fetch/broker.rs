//! Brokers: how each is asked for an object's light curve and alert packets, one entry of [`BROKERS`] for each.
//! Sources: ALeRCE, Förster et al. 2021, AJ 161, 242; Fink, Möller et al. 2021, MNRAS 501, 3272.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::http::Request;
use super::{Fate, Fetch, Wanted};
use crate::ztf::inspect;

/// Most names that the detections of an answer may have together; ALeRCE's have some thirty.
const MOST_NAMES: usize = 1000;

/// Where a service is: the variable that says so, or else this.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// Name of the variable of the environment.
    pub variable: &'static str,
    /// The address without one.
    pub usual: &'static str,
}

/// One broker.
pub struct Broker {
    /// Its name on the command line.
    pub name: &'static str,
    /// Where light curves are.
    pub api: Address,
    /// Where alert packets are, if it hands them out.
    pub packets: Option<Address>,
    /// Asks the service at this address for the light curve of this object.
    ask: fn(&str, &str) -> Request,
    /// The answer as csv of at most so many bytes; `None` when it knows no such object.
    table: fn(String, u64) -> Result<Option<String>, String>,
}

/// Every broker.
pub const BROKERS: &[Broker] = &[
    Broker {
        name: "alerce",
        api: Address { variable: "ESTAMPA_ALERCE", usual: "https://api.alerce.online/ztf/v1" },
        packets: Some(Address { variable: "ESTAMPA_ALERCE_PACKETS", usual: "https://avro.alerce.online" }),
        ask: |base, id| Request::get(format!("{base}/objects/{id}/detections")),
        table: |answer, limit| table_of_json(&answer, limit),
    },
    Broker {
        name: "fink",
        api: Address { variable: "ESTAMPA_FINK", usual: "https://api.ztf.fink-portal.org" },
        packets: None,
        ask: |base, id| {
            let columns = "i:objectId,i:candid,i:jd,i:fid,i:magpsf,i:sigmapsf,i:isdiffpos,i:ra,i:dec";
            let body = json!({"objectId": id, "output-format": "csv", "columns": columns}).to_string();
            Request { url: format!("{base}/api/v1/objects"), body: Some(body) }
        },
        table: |answer, _| match answer.lines().filter(|line| !line.trim().is_empty()).count() {
            0 | 1 => Ok(None),
            _ if answer.lines().next().is_some_and(|head| head.contains("i:jd")) => Ok(Some(answer)),
            _ => Err("the answer is no csv table of a light curve".into()),
        },
    },
];

/// What to fetch of objects, and from where.
pub struct Order<'a> {
    /// Whom to ask.
    pub broker: &'a Broker,
    /// Where its light curves are.
    pub api: String,
    /// Where its alert packets are; without it none are fetched.
    pub packets: Option<String>,
    /// Whether to ask for light curves that are there again: they may have grown.
    pub refresh: bool,
}

/// An objectId of ZTF.
pub fn object_id(text: &str) -> Result<String, String> {
    let is_one = text.strip_prefix("ZTF").is_some_and(|rest| {
        let (year, letters) = rest.split_at_checked(2).unwrap_or_default();
        let is_year = year.len() == 2 && year.bytes().all(|byte| byte.is_ascii_digit());
        is_year && letters.len() == 7 && letters.bytes().all(|byte| byte.is_ascii_lowercase())
    });
    if is_one { Ok(text.to_string()) } else { Err(format!("`{text}` is no objectId of ZTF, such as ZTF18abcdefg")) }
}

/// The objectIds of a list: one a line, or the column `objectId` (or `oid`) of a csv table. Lines with `#` are comments.
pub fn object_ids(text: &str) -> Result<Vec<String>, String> {
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).trim(csv::Trim::All).comment(Some(b'#'));
    // as spreadsheets begin a file
    let text = text.trim_start_matches('\u{feff}');
    let rows = reader.from_reader(text.as_bytes()).into_records().collect::<Result<Vec<_>, _>>();
    let rows = rows.map_err(|error| error.to_string())?;
    let is_empty = |row: &csv::StringRecord| row.len() == 1 && row[0].is_empty();
    let mut rows = rows.iter().filter(|row| !is_empty(row) && !row[0].starts_with('#')).peekable();
    let column = rows.peek().and_then(|head| head.iter().position(|cell| ["objectId", "oid"].contains(&cell)));
    if column.is_some() {
        rows.next();
    }
    rows.map(|row| object_id(row.get(column.unwrap_or(0)).unwrap_or_default())).collect()
}

/// Brings light curves to `lightcurves/OBJECT.csv` and packets to `packets/OBJECT/CANDID.avro`.
pub fn fetch_objects(fetch: &mut Fetch, order: &Order, ids: &[String]) -> Result<(), Fault> {
    for id in ids {
        let (name, mut alerts) = (format!("lightcurves/{id}.csv"), Vec::new());
        let fate = fetch.bring(&name, |fetch| fetch_light_curve(fetch, order, id, &name, &mut alerts))?;
        let Some(base) = order.packets.as_ref().filter(|_| fate.is_some()) else { continue };
        for candid in alerts {
            fetch_packet(fetch, base, id, candid)?;
        }
    }
    Ok(())
}

/// One light curve; where packets are wanted, the alerts that have some go into `alerts`.
fn fetch_light_curve(
    fetch: &mut Fetch,
    order: &Order,
    id: &str,
    name: &str,
    alerts: &mut Vec<i64>,
) -> Result<Fate, Fault> {
    let request = (order.broker.ask)(&order.api, id);
    let way = request.url.strip_prefix(order.api.as_str()).unwrap_or(&request.url);
    let found = |table: &str| if order.packets.is_some() { candids(table) } else { Ok(Vec::new()) };
    if !order.refresh
        && fetch.is_here(name)?
        && fetch.came_from(name, way)
        && let Ok(known) = found(&fetch.read(name)?)
    {
        *alerts = known;
        return Ok(Fate::Kept);
    }
    let Some(answer) = fetch.text(&request)? else { return Ok(Fate::Absent) };
    let wrong = |what| Fault::Wrong { name: name.to_string(), what };
    let Some(table) = (order.broker.table)(answer, fetch.text_limit()).map_err(wrong)? else { return Ok(Fate::Absent) };
    *alerts = found(&table).map_err(wrong)?;
    fetch.put(name, &table, &request.url)
}

fn fetch_packet(fetch: &mut Fetch, base: &str, id: &str, candid: i64) -> Result<(), Fault> {
    let name = format!("packets/{id}/{candid}.avro");
    let bring = |fetch: &mut Fetch| {
        if fetch.is_here(&name)? {
            return Ok(Fate::Kept);
        }
        let request = Request::get(format!("{base}/get_avro?oid={id}&candid={candid}"));
        let check = Box::new(move |path: &std::path::Path| {
            let is_right = inspect::is_packet_of(path, candid);
            is_right.then_some(()).ok_or_else(|| format!("what came is no packet of the alert {candid}"))
        });
        fetch.file(&Wanted { name: name.clone(), request, md5: None, check })
    };
    fetch.bring(&name, bring).map(drop)
}

/// A list of JSON objects as csv of at most so many bytes: a column for each name, in the order in which they come first.
fn table_of_json(text: &str, limit: u64) -> Result<Option<String>, String> {
    let rows: Vec<Map<String, Value>> =
        serde_json::from_str(text).map_err(|error| format!("the answer is no list of detections ({error})"))?;
    let (mut names, mut known) = (Vec::new(), HashSet::new());
    for name in rows.iter().flat_map(Map::keys) {
        if known.insert(name) {
            names.push(name);
        }
        if names.len() > MOST_NAMES {
            return Err(format!("the detections have more than {MOST_NAMES} names, as no light curve has"));
        }
    }
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(&names).map_err(|error| error.to_string())?;
    for row in &rows {
        let cells = names.iter().map(|name| row.get(*name).map_or(String::new(), cell));
        table.write_record(cells).map_err(|error| error.to_string())?;
        if table.get_ref().len() as u64 > limit {
            return Err(format!("as a csv table the answer is larger than {limit} bytes"));
        }
    }
    let bytes = table.into_inner().map_err(|error| error.to_string())?;
    Ok((!rows.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The alerts of a light curve that have stamps, and so a packet.
///
/// # Errors
/// It does not tell them: there is no column `candid`, or a cell of it is no whole number.
fn candids(table: &str) -> Result<Vec<i64>, String> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let names = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| names.iter().position(|n| n == name);
    let candid = column("candid").ok_or("the light curve has no column `candid`, which packets are asked for by")?;
    let has_stamp = column("has_stamp");
    let mut candids = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        if has_stamp.and_then(|i| row.get(i)).is_some_and(|cell| cell.eq_ignore_ascii_case("false")) {
            continue;
        }
        let cell = row.get(candid).unwrap_or_default();
        let shown = || cell.chars().take(40).collect::<String>();
        candids
            .push(cell.parse().map_err(|_| format!("the light curve has the candid `{}`, no whole number", shown()))?);
    }
    Ok(candids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_objects_are_read_in_both_forms() {
        let ids = ["ZTF18abcdefg", "ZTF20zzzzzzz"];
        assert_eq!(object_ids("# mine\nZTF18abcdefg\n\n ZTF20zzzzzzz \n").unwrap(), ids);
        assert_eq!(object_ids("label,objectId\nSN,ZTF18abcdefg\nAGN,ZTF20zzzzzzz\n").unwrap(), ids);
        assert_eq!(object_ids("\u{feff}objectId\r\nZTF18abcdefg\r\nZTF20zzzzzzz\r\n").unwrap(), ids);
        assert_eq!(object_ids("\u{feff}ZTF18abcdefg\n  # \"two\"\nZTF20zzzzzzz").unwrap(), ids);
        assert_eq!(object_ids("note,oid\n\"a, b\",ZTF18abcdefg\n  \n,ZTF20zzzzzzz\n").unwrap(), ids);
        assert!(object_ids("objectId,x\n,1\n").is_err());
        for bad in ["ZTF18abcdef", "ZTF18ABCDEFG", "../../etc/pw", "ZTF1éabcdef", "ZTF18abcdefg/x", ""] {
            assert!(object_id(bad).unwrap_err().contains("ZTF18abcdefg"), "{bad}");
        }
    }

    #[test]
    fn detections_become_a_table_and_tell_which_have_packets() {
        let json = r#"[{"candid": 1234567890123456789, "mjd": 58300.25, "has_stamp": true},
            {"candid": "22", "mjd": 58301.5, "has_stamp": false, "note": "a,b"}, {"candid": 3, "mjd": null}]"#;
        let table = table_of_json(json, 1000).unwrap().unwrap();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "candid,mjd,has_stamp,note");
        assert_eq!(lines[1..], ["1234567890123456789,58300.25,true,", "22,58301.5,false,\"a,b\"", "3,,,"]);
        assert_eq!(candids(&table).unwrap(), [1_234_567_890_123_456_789, 3]);
        assert_eq!(table_of_json("[]", 1000).unwrap(), None);
        assert!(table_of_json("{\"error\": 1}", 1000).unwrap_err().contains("no list of detections"));
    }

    #[test]
    fn a_table_that_does_not_tell_its_alerts_is_an_error() {
        assert!(candids("i:candid,i:jd\n1,2\n").unwrap_err().contains("no column `candid`"));
        for cell in ["1.5e18", "1234567890123456800.0", ""] {
            assert!(candids(&format!("candid,x\n7,1\n{cell},2\n")).unwrap_err().contains(&format!("`{cell}`")));
        }
    }

    #[test]
    fn a_table_grows_no_larger_than_allowed() {
        let detections = |count: usize, name: fn(usize) -> String| {
            let rows: Vec<String> = (0..count).map(|i| format!("{{\"{}\":1}}", name(i))).collect();
            table_of_json(&format!("[{}]", rows.join(",")), 1 << 20)
        };
        assert!(detections(1000, |i| format!("n{}", i % 1000)).is_ok_and(|table| table.is_some()));
        assert!(detections(1001, |i| format!("n{i}")).unwrap_err().contains("more than 1000 names"));
        assert!(detections(2000, |i| format!("n{}", i % 1000)).unwrap_err().contains("larger than 1048576 bytes"));
    }
}
