use crate::fetch_nights::{packet, visible};
use crate::server::{Reply, Server, fetch};
use crate::world::World;

/// Detections as ALeRCE tells them: the third has no stamp, the fourth no packet.
const DETECTIONS: &str = r#"[{"candid": "1", "mjd": 60314.2, "fid": 1, "magpsf": 18.5, "has_stamp": true, "oid": "ZTF18abcdefg"},
    {"candid": "2", "mjd": 60315.2, "fid": 2, "magpsf": 18.25, "has_stamp": true, "oid": "ZTF18abcdefg"},
    {"candid": "3", "mjd": 60316.2, "fid": 2, "magpsf": 18.75, "has_stamp": false, "oid": "ZTF18abcdefg"},
    {"candid": "4", "mjd": 60317.2, "fid": 2, "magpsf": 19.0, "has_stamp": true, "oid": "ZTF18abcdefg"}]"#;

fn alerce() -> Server {
    Server::start(|asked, earlier| match asked.path.as_str() {
        "/ztf/v1/objects/ZTF18abcdefg/detections" if earlier == 0 => Reply::status(503),
        "/ztf/v1/objects/ZTF18abcdefg/detections" => Reply::whole(DETECTIONS.as_bytes()),
        "/ztf/v1/objects/ZTF19oddoddo/detections" => Reply::whole(b"<html>"),
        "/get_avro?oid=ZTF18abcdefg&candid=1" => Reply::whole(&packet(1)),
        // The first time another alert, the second time the right one.
        "/get_avro?oid=ZTF18abcdefg&candid=2" => Reply::whole(&packet(if earlier == 0 { 1 } else { 2 })),
        _ => Reply::status(404),
    })
}

#[test]
fn packets_and_light_curves_of_alerce_come_and_load() {
    let world = World::new();
    let server = alerce();
    let to = format!("--base {0}/ztf/v1 --packets-base {0}", server.url);
    world.write("list.csv", "objectId,label\nZTF19oddoddo,SN\nZTF20nothere,SN\n");
    let said = fetch(&world, &format!("objects ZTF18abcdefg --list list.csv {to}"));
    said.expect(1, "fetched 3 (").expect(1, "not on the server 2, failed 1");
    said.expect(1, "lightcurves/ZTF20nothere.csv: the broker knows no such object");
    said.expect(1, "lightcurves/ZTF19oddoddo.csv: the answer is no list of detections");
    said.expect(1, "packets/ZTF18abcdefg/4.avro: the broker has no packet of this alert");
    said.expect(1, "what came is no packet of the alert 2");
    let there = ["lightcurves/ZTF18abcdefg.csv", "packets/ZTF18abcdefg/1.avro", "packets/ZTF18abcdefg/2.avro"];
    assert_eq!(visible(&world), there);
    assert!(std::fs::read(world.path("data").join(there[2])).unwrap() == packet(2));
    let curve = world.read("data/lightcurves/ZTF18abcdefg.csv");
    assert!(curve.starts_with("candid,mjd,fid,magpsf,has_stamp,oid\n1,60314.2,1,18.5,true,ZTF18abcdefg\n"), "{curve}");
    world.write("pipelines/p.toml", "[stages.alerts]\nkind = \"load\"\npath = \"../data/packets\"\n");
    world.run("pipelines/p.toml", 1, 0);
    let table = std::fs::read_to_string(&world.artifacts("alerts.csv")[0]).unwrap();
    assert_eq!(table.lines().count(), 3, "two alerts");

    // Again: only what is missing is asked for.
    fetch(&world, &format!("objects ZTF18abcdefg {to}"))
        .expect(1, "fetched 0 (0 B), there already 3, not on the server 1");
    assert_eq!(server.asked("detections").len(), 4);
    assert_eq!((server.asked("candid=1").len(), server.asked("candid=4").len()), (1, 2));
    let refreshed = fetch(&world, &format!("objects ZTF18abcdefg --refresh --no-packets {to}"));
    refreshed.expect(0, "fetched 0 (0 B), there already 1, not on the server 0");
    assert_eq!(server.asked("detections").len(), 5);
}

#[test]
fn the_light_curve_of_another_broker_is_fetched_anew() {
    let world = World::new();
    let fink = Server::start(|_, _| Reply::whole(b"i:objectId,i:candid,i:jd\nZTF18abcdefg,1,2460315.5\n"));
    fetch(&world, &format!("objects ZTF18abcdefg --broker fink --base {}", fink.url)).expect(0, "fetched 1");
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/objects/ZTF18abcdefg/detections" => Reply::whole(br#"[{"candid": 1, "mjd": 60314.2}]"#),
        "/objects/ZTF19floatyf/detections" => Reply::whole(br#"[{"candid": 1.5e18, "mjd": 60314.2}]"#),
        _ => Reply::whole(&packet(1)),
    });
    let to = format!("--base {0} --packets-base {0}", server.url);
    let said = fetch(&world, &format!("objects ZTF18abcdefg {to}"));
    said.expect(0, "came from another broker").expect(0, "fetched 2");
    assert_eq!(visible(&world), ["lightcurves/ZTF18abcdefg.csv", "packets/ZTF18abcdefg/1.avro"]);
    fetch(&world, &format!("objects ZTF18abcdefg {to}")).expect(0, "there already 2");
    assert_eq!(server.asked("detections").len(), 1);
    let said = fetch(&world, &format!("objects ZTF19floatyf {to}"));
    said.expect(1, "has the candid `1.5e").expect(1, "failed 1");
    assert_eq!(visible(&world).len(), 2);
}

#[test]
fn light_curves_of_fink_come_as_they_are_sent() {
    let world = World::new();
    let table = "i:objectId,i:candid,i:jd\nZTF18abcdefg,1,2460315.5\n";
    let server = Server::start(move |asked, _| {
        let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/api/v1/objects"));
        assert_eq!(
            (&body["output-format"], &asked.headers["content-type"]),
            (&"csv".into(), &"application/json".into())
        );
        Reply::whole(if body["objectId"] == "ZTF18abcdefg" { table.as_bytes() } else { b"\n" })
    });
    let said = fetch(&world, &format!("objects ZTF18abcdefg ZTF20nothere --broker fink --base {}", server.url));
    said.expect(1, "fetched 1 (").expect(1, "lightcurves/ZTF20nothere.csv: the broker knows no such object");
    assert_eq!(world.read("data/lightcurves/ZTF18abcdefg.csv"), table);
    assert_eq!(visible(&world), ["lightcurves/ZTF18abcdefg.csv"]);
}
