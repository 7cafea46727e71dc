//! Brokers: how each is asked for an object's light curve and alert packets, one entry of [`BROKERS`] for each.
//! Sources: ALeRCE, Förster et al. 2021, AJ 161, 242; Fink, Möller et al. 2021, MNRAS 501, 3272.

use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::http::Request;
use super::{Fate, Fetch, Wanted};
use crate::ztf::inspect;

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
    /// The answer as csv; `None` when it knows no such object.
    table: fn(String) -> Result<Option<String>, String>,
}

/// Every broker.
pub const BROKERS: &[Broker] = &[
    Broker {
        name: "alerce",
        api: Address { variable: "ESTAMPA_ALERCE", usual: "https://api.alerce.online/ztf/v1" },
        packets: Some(Address { variable: "ESTAMPA_ALERCE_PACKETS", usual: "https://avro.alerce.online" }),
        ask: |base, id| Request::get(format!("{base}/objects/{id}/detections")),
        table: |answer| table_of_json(&answer),
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
        table: |answer| match answer.lines().filter(|line| !line.trim().is_empty()).count() {
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
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    let is_name = |cell: &str| ["objectId", "oid"].contains(&cell.trim());
    let column = lines.peek().and_then(|head| head.split(',').position(is_name));
    if column.is_some() {
        lines.next();
    }
    let cell = |line: &str| line.split(',').nth(column.unwrap_or(0)).unwrap_or_default().trim().to_string();
    lines.map(|line| object_id(&cell(line))).collect()
}

/// Brings light curves to `lightcurves/OBJECT.csv` and packets to `packets/OBJECT/CANDID.avro`.
pub fn fetch_objects(fetch: &mut Fetch, order: &Order, ids: &[String]) -> Result<(), Fault> {
    for id in ids {
        let name = format!("lightcurves/{id}.csv");
        let fate = fetch.bring(&name, |fetch| {
            if !order.refresh && fetch.is_here(&name)? {
                return Ok(Fate::Kept);
            }
            let request = (order.broker.ask)(&order.api, id);
            let Some(answer) = fetch.text(&request)? else { return Ok(Fate::Absent) };
            let wrong = |what| Fault::Wrong { name: name.clone(), what };
            let table = (order.broker.table)(answer).map_err(wrong)?;
            table.map_or(Ok(Fate::Absent), |table| fetch.put(&name, &table, &request.url))
        })?;
        let Some(base) = order.packets.as_ref().filter(|_| matches!(fate, Some(Fate::Kept | Fate::Fetched(_)))) else {
            continue;
        };
        for candid in candids(&fetch.read(&name)?) {
            fetch_packet(fetch, base, id, candid)?;
        }
    }
    Ok(())
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

/// A list of JSON objects as csv: a column for each name, in the order in which they come first.
fn table_of_json(text: &str) -> Result<Option<String>, String> {
    let rows: Vec<Map<String, Value>> =
        serde_json::from_str(text).map_err(|error| format!("the answer is no list of detections ({error})"))?;
    let mut names: Vec<&String> = Vec::new();
    for name in rows.iter().flat_map(Map::keys) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut table = csv::Writer::from_writer(Vec::new());
    let head = table.write_record(&names);
    let all = rows
        .iter()
        .try_for_each(|row| table.write_record(names.iter().map(|n| row.get(*n).map_or(String::new(), cell))));
    let bytes = head
        .and(all)
        .map_err(|error| error.to_string())
        .and_then(|()| table.into_inner().map_err(|error| error.to_string()))?;
    Ok((!rows.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The alerts of a light curve that have stamps, and so a packet.
fn candids(table: &str) -> Vec<i64> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let Ok(names) = reader.headers().cloned() else { return Vec::new() };
    let column = |name: &str| names.iter().position(|n| n == name);
    let (candid, has_stamp) = (column("candid"), column("has_stamp"));
    let row = |row: csv::StringRecord| {
        let is_without = has_stamp.and_then(|i| row.get(i)).is_some_and(|cell| cell.eq_ignore_ascii_case("false"));
        row.get(candid?)?.parse().ok().filter(|_| !is_without)
    };
    reader.records().flatten().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_objects_are_read_in_both_forms() {
        let ids = ["ZTF18abcdefg", "ZTF20zzzzzzz"];
        assert_eq!(object_ids("# mine\nZTF18abcdefg\n\n ZTF20zzzzzzz \n").unwrap(), ids);
        assert_eq!(object_ids("label,objectId\nSN,ZTF18abcdefg\nAGN,ZTF20zzzzzzz\n").unwrap(), ids);
        for bad in ["ZTF18abcdef", "ZTF18ABCDEFG", "../../etc/pw", "ZTF1éabcdef", "ZTF18abcdefg/x", ""] {
            assert!(object_id(bad).unwrap_err().contains("ZTF18abcdefg"), "{bad}");
        }
    }

    #[test]
    fn detections_become_a_table_and_tell_which_have_packets() {
        let json = r#"[{"candid": 1234567890123456789, "mjd": 58300.25, "has_stamp": true},
            {"candid": "22", "mjd": 58301.5, "has_stamp": false, "note": "a,b"}, {"candid": 3, "mjd": null}]"#;
        let table = table_of_json(json).unwrap().unwrap();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "candid,mjd,has_stamp,note");
        assert_eq!(lines[1..], ["1234567890123456789,58300.25,true,", "22,58301.5,false,\"a,b\"", "3,,,"]);
        assert_eq!(candids(&table), [1_234_567_890_123_456_789, 3]);
        assert_eq!(table_of_json("[]").unwrap(), None);
        assert!(table_of_json("{\"error\": 1}").unwrap_err().contains("no list of detections"));
        assert!(candids("a,b\n1,2\n").is_empty());
    }
}
