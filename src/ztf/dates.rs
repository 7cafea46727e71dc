//! The date in ZTF's identifiers: in the `candid` of a detection, and in the `pid` of the image that it is on. Knows no packet.
//!
//! `pid` is days since 2017-01-01, five digits of a fraction that was cut, not rounded, two digits of the quadrant (`rcid`) and
//! 15; `candid` is `pid` and six digits more: 1127 17460 44 15 015005. The survey documents neither (`docs/schema.md` of
//! github.com/ZwickyTransientFacility/ztf-avro-alert calls them numbers); Ampel takes the quadrant from the same digits
//! (`ZiDataPointShaper.py` of github.com/AmpelAstro/Ampel-ZTF), and `real_alerts` holds the date against those of real packets.

/// Julian date of 2017-01-01, 0 h.
const FIRST_DAY: f64 = 2_457_754.5;
/// Units of time in a day.
const UNITS_A_DAY: f64 = 1e5;
/// What the digits of a `candid` behind the time count up to, and those behind its `pid`.
const BEHIND_TIME: i64 = 10_000_000_000;
const BEHIND_PID: i64 = 1_000_000;
/// Seconds that a date may be off what an identifier says: more than ten times what is lost by the cut, which is all that dates
/// of the survey are off, and less than the shortest exposure, 30 s, so that no other exposure can be meant.
const MARGIN: f64 = 10.0;

/// The Julian date in a `candid`, the middle of the unit that it tells: within 0.44 s of the exposure's own. `None` where it tells
/// none: made up, or negative as in packets of before 2017.
pub(super) fn of_candid(candid: i64) -> Option<f64> {
    let units = (candid / BEHIND_TIME) as f64;
    (units >= UNITS_A_DAY).then(|| FIRST_DAY + (units + 0.5) / UNITS_A_DAY)
}

/// The same in a `pid`.
pub(super) fn of_pid(pid: i64) -> Option<f64> {
    of_candid(pid.checked_mul(BEHIND_PID)?)
}

/// Whether `jd` is not `told`, the date in an identifier. One that is missing is not wrong.
pub(super) fn contradicts(told: f64, jd: f64) -> bool {
    (jd - told).abs() * 86_400.0 >= MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::ztf::decode::{Decoder, Reading};
    use crate::ztf::history::{Point, tests::history};
    use crate::ztf::quality::{Policies, Policy, Reason};
    use crate::ztf::writer::{PacketWriter, tests::alert};
    use std::sync::Arc;

    const CANDID: i64 = 1_127_174_604_415_015_005;
    /// The one date that a broker's test gave to all that its packets tell.
    const OVERWRITTEN: f64 = 2_460_236.062_623_379_3;

    #[test]
    fn identifiers_tell_the_date_of_their_exposure() {
        let jd = 2_458_881.674_606_5;
        assert!((of_candid(CANDID).unwrap() - jd).abs() * 86_400.0 < 0.44);
        assert_eq!(of_pid(CANDID / BEHIND_PID), of_candid(CANDID));
        let quadrant_more = CANDID + 100 * BEHIND_PID;
        assert_eq!(of_candid(quadrant_more), of_candid(CANDID), "one exposure, whatever the quadrant");
        assert!(of_candid(396_522_680_015_020_000).is_some_and(|date| (date - 2_458_151.022_68).abs() < 1e-5));
    }

    #[test]
    fn what_is_made_up_tells_no_date() {
        for candid in [0, 7, -1, -CANDID, 999_999_999_999_999, i64::MIN] {
            assert_eq!(of_candid(candid), None, "{candid}");
        }
        for pid in [0, -999, -155_540_793_515, 999_999_999, i64::MAX, i64::MIN] {
            assert_eq!(of_pid(pid), None, "{pid}");
        }
    }

    #[test]
    fn a_date_is_wrong_from_ten_seconds_on() {
        let told = of_candid(CANDID).unwrap();
        let wrong = [0.0, 9.9, -9.9, 10.1, -10.1, 86_400.0].map(|seconds| contradicts(told, told + seconds / 86_400.0));
        assert_eq!(wrong, [false, false, false, true, true, true]);
        assert!(!contradicts(told, f64::NAN));
    }

    /// An upper limit, a detection and forced photometry of two exposures.
    fn identified() -> Vec<Point> {
        let [limit, detection, forced] = history().try_into().unwrap();
        let before = |days: i64| CANDID - days * 100_000 * BEHIND_TIME;
        let limit = Point { pid: before(2) / BEHIND_PID, jd: of_candid(before(2)).unwrap(), ..limit };
        let jd = of_candid(before(1)).unwrap();
        let detection = Point { candid: Some(before(1)), jd, ..detection };
        vec![limit, detection, Point { pid: before(1) / BEHIND_PID, jd, ..forced }]
    }

    fn overwritten(points: &[Point]) -> Vec<Point> {
        points.iter().map(|point| Point { jd: OVERWRITTEN, ..point.clone() }).collect()
    }

    /// What comes of a packet of this object with these dates.
    fn read(name: &str, jd: f64, history: &[Point], policies: Policies) -> Reading {
        let mut alert = alert(CANDID);
        name.clone_into(&mut alert.object_id);
        alert.values[0] = jd;
        let packet = PacketWriter::default().packet_with(&alert, history);
        let mut decoder = Decoder::new(Arc::default(), Arc::new(policies)).with_history(true);
        decoder.container(&"p".into(), &packet).remove(0)
    }

    fn found(reading: &Reading) -> Vec<(Reason, Policy, &str)> {
        reading.occurrences.iter().map(|found| (found.reason, found.policy, found.detail.as_str())).collect()
    }

    fn dates_of(points: &[Point]) -> Vec<f64> {
        points.iter().map(|point| point.jd).collect()
    }

    #[test]
    fn dates_of_a_packet_are_those_of_its_identifiers() {
        let good = identified();
        let own = of_candid(CANDID).unwrap();
        let plain = read("ZTF20a", own, &good, Policies::default());
        assert!(plain.occurrences.is_empty() && dates_of(&plain.history) == dates_of(&good));
        let mended = read("ZTF20a", OVERWRITTEN, &overwritten(&good), Policies::default());
        assert_eq!(mended.alert.as_ref().unwrap().value("jd"), own);
        assert_eq!(dates_of(&mended.history), dates_of(&good));
        let all = "detection 1 of 1, limit 1 of 1, forced 1 of 1, by up to 1356.39 days; taken from candid or pid";
        let told = "2460236.06262 where candid says 2458881.67460; taken for 2458881.674605";
        let expected = [(Reason::WrongJd, Policy::Repair, told), (Reason::WrongPastJd, Policy::Repair, all)];
        assert_eq!(found(&mended), expected);
        let one = [&overwritten(&good[..1])[..], &good[1..]].concat();
        let one = read("ZTF20a", own, &one, Policies::default());
        assert!(dates_of(&one.history) == dates_of(&good) && found(&one)[0].2.starts_with("limit 1 of 1, by"));
    }

    #[test]
    fn nothing_is_said_where_identifiers_tell_no_date() {
        let strangers = overwritten(&history());
        let made_up = Point { candid: Some(-CANDID), pid: -155_540_793_515, ..strangers[1].clone() };
        let unidentified = [&strangers[..], &[made_up]].concat();
        let reading = read("ZTF20a", of_candid(CANDID).unwrap(), &unidentified, Policies::default());
        assert!(reading.occurrences.is_empty() && dates_of(&reading.history).iter().all(|jd| *jd == OVERWRITTEN));
        let other_survey = read("DES20a", OVERWRITTEN, &overwritten(&identified()), Policies::default());
        assert!(other_survey.occurrences.is_empty());
        assert_eq!(other_survey.alert.unwrap().value("jd"), OVERWRITTEN);
        assert!(dates_of(&other_survey.history).iter().all(|jd| *jd == OVERWRITTEN));
    }

    #[test]
    fn who_wants_no_such_packet_gets_none() {
        let own = of_candid(CANDID).unwrap();
        for (reason, jd) in [(Reason::WrongPastJd, own), (Reason::WrongJd, OVERWRITTEN)] {
            let mut policies = Policies::default();
            policies.tighten(reason, Policy::Skip);
            let past = if reason == Reason::WrongPastJd { overwritten(&identified()) } else { identified() };
            let reading = read("ZTF20a", jd, &past, policies);
            assert!(reading.alert.is_none() && found(&reading)[0].1 == Policy::Skip, "{:?}", found(&reading));
            assert!(!found(&reading)[0].2.contains("taken"));
        }
    }
}
