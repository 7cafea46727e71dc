use std::time::Duration;

use estampa::ztf::alert::{Alert, FIELDS, SIDE, Stamp};
use estampa::ztf::writer::{PacketSink, PacketWriter};

use crate::kills::Small;
use crate::server::{Reply, Server, fetch, start_fetch};
use crate::watch::{files, wait_for};
use crate::world::{Said, World};

/// An alert whose stamps do not compress well.
fn alert(candid: i64) -> Alert {
    let noise = |i: usize| (blake3::hash(&[i as u8, (i >> 8) as u8, candid as u8]).as_bytes()[0]) as f32;
    let stamp = |n: usize| Stamp {
        rows: SIDE,
        columns: SIDE,
        pixels: (0..SIDE * SIDE).map(|i| noise(i + n * SIDE * SIDE)).collect(),
    };
    let values = FIELDS.iter().map(|name| if *name == "jd" { 2_460_315.5 + candid as f64 } else { 1.0 }).collect();
    Alert { candid, object_id: "ZTF18abcdefg".into(), values, stamps: [stamp(0), stamp(1), stamp(2)] }
}

/// The bytes of a packet.
pub(crate) fn packet(candid: i64) -> Vec<u8> {
    PacketWriter::default().packet(&alert(candid))
}

/// The bytes of a night with these alerts.
pub(crate) fn night(candids: std::ops::Range<i64>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("night.tar.gz");
    let mut sink = PacketSink::create(&path).unwrap();
    candids.for_each(|candid| sink.push(&alert(candid)).unwrap());
    sink.finish().unwrap();
    std::fs::read(path).unwrap()
}

pub(crate) const FIFTH: &str = "ztf_public_20240105.tar.gz";
const SIXTH: &str = "ztf_public_20240106.tar.gz";

/// The list of sums that belongs to these files.
pub(crate) fn sums(files: &[(&str, &[u8])]) -> String {
    let line = |(name, bytes): &(&str, &[u8])| format!("{:x}  {name}", md5::compute(bytes));
    files.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What is in the folder under names that `load` sees.
pub(crate) fn visible(world: &World) -> Vec<String> {
    let hidden = |name: &String| name.rsplit('/').next().is_some_and(|name| name.starts_with('.'));
    files(&world.path("data")).into_keys().filter(|name| !hidden(name)).collect()
}

#[test]
fn nights_come_once_and_load() {
    let world = World::new();
    let (fifth, sixth) = (night(1..4), night(4..6));
    let list = sums(&[(FIFTH, &fifth), (SIXTH, &sixth)]);
    let server = Server::of_files(&[(FIFTH, &fifth), (SIXTH, &sixth), ("MD5SUMS", list.as_bytes())]);
    let ask = format!("nights 20240105..20240107 --base {}/", server.url);
    let said = fetch(&world, &ask);
    // The archive lacks one that was asked for.
    said.expect(1, "fetched 2 (").expect(1, "there already 0, not on the server 1, failed 0");
    said.expect(1, "ztf_public_20240107.tar.gz: no public alerts that night");
    assert_eq!(visible(&world), [FIFTH, SIXTH]);
    assert_eq!(std::fs::read(world.path("data").join(SIXTH)).unwrap(), sixth);
    let asked = server.asked(FIFTH);
    assert_eq!(asked[0].headers["user-agent"], concat!("estampa/", env!("CARGO_PKG_VERSION")));
    assert_eq!(asked[0].headers["accept-encoding"], "identity");
    world.write("pipelines/p.toml", "[stages.alerts]\nkind = \"load\"\npath = \"../data\"\n");
    world.run("pipelines/p.toml", 1, 0);
    let table = std::fs::read_to_string(&world.artifacts("alerts.csv")[0]).unwrap();
    assert_eq!(table.lines().count(), 6, "five alerts");

    fetch(&world, &ask).expect(1, "fetched 0 (0 B), there already 2, not on the server 1");
    assert_eq!(server.asked(FIFTH).len(), 1, "it was there");
    fetch(&world, &ask.replace("7 --base", "6 --base")).expect(0, "there already 2");
    assert_eq!(server.asked("MD5SUMS").len(), 2, "only where a night is missing");
    // What fetch writes down is no input of `load`.
    world.run("pipelines/p.toml", 0, 1);
}

#[test]
fn damage_is_noticed_and_repaired() {
    let world = World::new();
    let fifth = night(1..3);
    let server = Server::of_files(&[(FIFTH, &fifth)]);
    let ask = format!("nights 20240105 --base {}", server.url);
    fetch(&world, &ask).expect(0, "the archive publishes no sums").expect(0, "fetched 1");
    let place = world.path("data").join(FIFTH);
    let mut flipped = fifth.clone();
    flipped[100] ^= 1;
    std::fs::write(&place, &flipped).unwrap();
    fetch(&world, &ask).expect(0, "there already 1");
    fetch(&world, &format!("{ask} --verify")).expect(0, "its bytes are not those that were fetched; fetching it again");
    assert!(std::fs::read(&place).unwrap() == fifth);
    std::fs::write(&place, &fifth[1..]).unwrap();
    fetch(&world, &ask).expect(0, "fetching it again").expect(0, "fetched 1");
    assert!(std::fs::read(&place).unwrap() == fifth);
    fetch(&world, &format!("{ask} --verify")).expect(0, "there already 1");
    assert_eq!(server.asked(FIFTH).len(), 3);
}

#[test]
fn a_file_of_somebody_else_is_taken_if_its_sum_is_right_and_never_overwritten() {
    let world = World::new();
    let fifth = night(1..2);
    let list = sums(&[(FIFTH, &fifth)]);
    let server = Server::of_files(&[(FIFTH, &fifth), ("MD5SUMS", list.as_bytes())]);
    let ask = format!("nights 20240105 --base {}", server.url);
    world.write(&format!("data/{FIFTH}"), "mine");
    fetch(&world, &ask).expect(1, "move it away").expect(1, "failed 1");
    assert_eq!(world.read(&format!("data/{FIFTH}")), "mine");
    std::fs::write(world.path("data").join(FIFTH), &fifth).unwrap();
    fetch(&world, &ask).expect(0, "there already 1");
    fetch(&world, &format!("{ask} --verify")).expect(0, "there already 1");
    assert!(server.asked(FIFTH).is_empty());
}

#[test]
fn kills_leave_nothing_wrong_and_one_process_fills_a_folder() {
    let world = World::new();
    let fifth = night(1..8);
    let (bytes, list) = (fifth.clone(), sums(&[(FIFTH, &fifth)]));
    let server = Server::start(move |asked, _| match asked.path.as_str() {
        "/MD5SUMS" => Reply::whole(list.as_bytes()),
        // A fifth of a second for all of it.
        _ => Reply::file(asked, &bytes, "\"one\"").dripping(Duration::from_millis(10)),
    });
    let ask = format!("nights 20240105 --base {}", server.url);
    let mut finished = false;
    for round in 0..12 {
        let before = server.asked(FIFTH).len();
        let mut child = start_fetch(&world, &ask);
        wait_for("a request, or its end", || server.asked(FIFTH).len() > before || child.try_wait().unwrap().is_some());
        if round == 0 {
            fetch(&world, &ask).expect(1, "another estampa is fetching into data: wait for it");
        }
        std::thread::sleep(Duration::from_millis(5 + 13 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        match std::fs::read(world.path("data").join(FIFTH)) {
            Ok(there) => {
                assert!(there == fifth, "round {round}");
                finished = true;
            }
            Err(_) => assert!(!finished && visible(&world).is_empty(), "round {round}"),
        }
    }
    fetch(&world, &ask).expect(0, "failed 0");
    assert!(std::fs::read(world.path("data").join(FIFTH)).unwrap() == fifth);
    assert!(server.asked(FIFTH).iter().any(|asked| asked.headers.contains_key("range")), "it never went on");
    fetch(&world, &format!("{ask} --verify")).expect(0, "there already 1");
}

#[test]
fn a_full_disk_is_said_and_room_is_all_it_takes() {
    let world = World::new();
    let Some(small) = Small::mount(world.path("small")) else {
        eprintln!("SKIPPED a_full_disk_is_said_and_room_is_all_it_takes: tmpfs cannot be mounted here");
        return;
    };
    let fifth: Vec<u8> =
        (0..600_000_u32).flat_map(|i| blake3::hash(&i.to_le_bytes()).as_bytes()[..1].to_vec()).collect();
    let list = sums(&[(FIFTH, &fifth)]);
    let server = Server::of_files(&[(FIFTH, &fifth), ("MD5SUMS", list.as_bytes())]);
    std::fs::write(small.path().join("filler"), vec![1; 700_000]).unwrap();
    let ask = format!("nights 20240105 --to small/data --base {}", server.url);
    fetch(&world, &ask).expect(1, "No space left").expect(1, "run the same command again to go on");
    assert!(!small.path().join("data").join(FIFTH).exists());
    std::fs::remove_file(small.path().join("filler")).unwrap();
    fetch(&world, &ask).expect(0, "going on after").expect(0, "fetched 1");
    assert!(std::fs::read(small.path().join("data").join(FIFTH)).unwrap() == fifth);
}

#[test]
fn wrong_input_asks_for_nothing() {
    let world = World::new();
    let server = Server::of_files(&[]);
    let url = &server.url;
    for (arguments, says) in [
        (format!("nights 20240230 --base {url}"), "is no date"),
        (format!("nights 20180501..20180603 --base {url}"), "begins with 20180601"),
        (format!("nights 20240105..29990101 --base {url}"), "still to come"),
        ("nights 20240105 --base ftp://127.0.0.1".into(), "not an address with http:// or https://"),
        (format!("nights 20240105 --base {url} --rate 0"), "not a number from 0.001"),
        (format!("nights --base {url}"), "required"),
        (format!("objects --base {url}"), "there is no object to fetch"),
        (format!("objects ZTF18../../x --base {url}"), "is no objectId of ZTF"),
        (format!("objects --list absent.csv --base {url}"), "absent.csv: No such file"),
        (format!("objects ZTF18abcdefg --broker lasair --base {url}"), "known brokers: alerce, fink"),
    ] {
        fetch(&world, &arguments).expect(2, says);
    }
    let mut command = crate::server::command(&world, "nights 20240105");
    let said = Said::of(command.env("ESTAMPA_ARCHIVE", "archive.example").output().unwrap());
    said.expect(2, "ESTAMPA_ARCHIVE is not an address");
    assert!(server.asked("").is_empty() && !world.path("data").exists());
}
