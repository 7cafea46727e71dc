//! Both ways through a packet, against each other: on damage, on arrays and unions, on signs that are numbers.

use super::*;
use crate::ztf::alert::{Alert, Stamp};
use crate::ztf::container::Container;
use crate::ztf::history::tests::history;
use crate::ztf::schemas::Schemas;
use crate::ztf::writer::{PacketWriter, tests::alert};
use proptest::prelude::*;

/// Whether the plain way was taken without and with histories; what it gives must be what the general decoder gives.
fn agree(schema: &WriterSchema, bytes: &[u8]) -> [bool; 2] {
    [false, true].map(|history| {
        let (mut plain, mut general) = (Packet::new(history), Packet::new(history));
        let Some(taken) = schema.route.as_ref().unwrap().follow(&mut plain, bytes) else { return false };
        assert_eq!(general.decode_any(&schema.schema, bytes).unwrap(), taken);
        assert_eq!(format!("{plain:?}"), format!("{general:?}"));
        assert_eq!(plain.history.is_some(), history);
        true
    })
}

#[test]
fn both_ways_agree_on_packets_with_damage() {
    let stamp = || Stamp { rows: 1, columns: 1, pixels: vec![1.0] };
    let alert = Alert { stamps: [stamp(), stamp(), stamp()], ..alert(7) };
    let packet = PacketWriter::default().packet_with(&alert, &history());
    let mut container = Container::open(std::io::Cursor::new(&packet)).unwrap();
    let schema = Schemas::default().get(&container.header().schema).unwrap();
    let mut record = container.next().unwrap().data;
    assert_eq!(agree(&schema, &record), [true; 2]);
    for at in 0..record.len() {
        for flip in [0x01, 0x80, 0xff] {
            record[at] ^= flip;
            agree(&schema, &record);
            record[at] ^= flip;
        }
        assert_eq!(agree(&schema, &record[..at]), [false; 2], "cut at {at}");
    }
}

#[test]
fn both_ways_read_a_sign_that_is_a_number() {
    let json = r#"{"type":"record","name":"a","fields":[{"name":"candidate","type":{"type":"record","name":"c","fields":
        [{"name":"isdiffpos","type":["null","int"]}]}}]}"#;
    let schema = Schemas::default().get(json.as_bytes()).unwrap();
    let value = |byte: u8| {
        let bytes = [2, byte];
        assert_eq!(agree(&schema, &bytes), [true; 2]);
        let mut packet = Packet::default();
        packet.decode(&schema, &bytes).unwrap();
        (packet.values[field("isdiffpos").unwrap()], packet.odd_isdiffpos)
    };
    assert_eq!([2, 0, 1].map(value), [(1.0, None), (0.0, None), (0.0, None)]);
    let (odd, text) = value(3);
    assert!(odd.is_nan() && text.as_deref() == Some("-2"));
}

proptest! {
    #[test]
    fn both_ways_agree_on_arrays_and_unions(bytes in prop::collection::vec(prop::sample::select(vec![0_u8, 0, 0, 1, 2, 2, 2, 4, 6, 0x81]), 4..60)) {
        let fields = [
            r#"{"name":"candid","type":["null","long"]},{"name":"objectId","type":["null","string"]},"#,
            r#"{"name":"prv_candidates","type":["null",{"type":"array","items":{"type":"record","name":"p","fields":["#,
            r#"{"name":"jd","type":["null","float"]},{"name":"t","type":["string","null"]},{"name":"fid","type":"int"},"#,
            r#"{"name":"b","type":"boolean"}]}}]},{"name":"candidate","type":["null",{"type":"record","name":"c","fields":["#,
            r#"{"name":"jd","type":["null","double"]},{"name":"candid","type":"long"},{"name":"fid","type":["int","null"]},"#,
            r#"{"name":"isdiffpos","type":["null","int","string"]}]}]}"#,
        ];
        let json = format!(r#"{{"type":"record","name":"a","fields":[{}]}}"#, fields.concat());
        let schema = Schemas::default().get(json.as_bytes()).unwrap();
        agree(&schema, &bytes);
    }
}
