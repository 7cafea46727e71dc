//! The ZTF packet schema 4.02 in a compact notation, and its Avro JSON. Names, types and order are the survey's
//! (github.com/ZwickyTransientFacility/ztf-avro-alert); `name:type`, with `?` where null is allowed.

/// Fields of `candidate`.
pub const CANDIDATE: &str = "\
    jd:double fid:int pid:long diffmaglim:float? pdiffimfilename:string? programpi:string? programid:int candid:long \
    isdiffpos:string tblid:long? nid:int? rcid:int? field:int? xpos:float? ypos:float? ra:double dec:double magpsf:float \
    sigmapsf:float chipsf:float? magap:float? sigmagap:float? distnr:float? magnr:float? sigmagnr:float? chinr:float? \
    sharpnr:float? sky:float? magdiff:float? fwhm:float? classtar:float? mindtoedge:float? magfromlim:float? \
    seeratio:float? aimage:float? bimage:float? aimagerat:float? bimagerat:float? elong:float? nneg:int? nbad:int? \
    rb:float? ssdistnr:float? ssmagnr:float? ssnamenr:string? sumrat:float? magapbig:float? sigmagapbig:float? \
    ranr:double decnr:double sgmag1:float? srmag1:float? simag1:float? szmag1:float? sgscore1:float? distpsnr1:float? \
    ndethist:int ncovhist:int jdstarthist:double? jdendhist:double? scorr:double? tooflag:int? objectidps1:long? \
    objectidps2:long? sgmag2:float? srmag2:float? simag2:float? szmag2:float? sgscore2:float? distpsnr2:float? \
    objectidps3:long? sgmag3:float? srmag3:float? simag3:float? szmag3:float? sgscore3:float? distpsnr3:float? \
    nmtchps:int rfid:long jdstartref:double jdendref:double nframesref:int rbversion:string dsnrms:float? ssnrms:float? \
    dsdiff:float? magzpsci:float? magzpsciunc:float? magzpscirms:float? nmatches:int clrcoeff:float? clrcounc:float? \
    zpclrcov:float? zpmed:float? clrmed:float? clrrms:float? neargaia:float? neargaiabright:float? maggaia:float? \
    maggaiabright:float? exptime:float? drb:float? drbversion:string";

/// Fields of one element of `prv_candidates`.
pub const PREVIOUS: &str = "\
    jd:double fid:int pid:long diffmaglim:float? pdiffimfilename:string? programpi:string? programid:int candid:long? \
    isdiffpos:string? tblid:long? nid:int? rcid:int? field:int? xpos:float? ypos:float? ra:double? dec:double? \
    magpsf:float? sigmapsf:float? chipsf:float? magap:float? sigmagap:float? distnr:float? magnr:float? sigmagnr:float? \
    chinr:float? sharpnr:float? sky:float? magdiff:float? fwhm:float? classtar:float? mindtoedge:float? \
    magfromlim:float? seeratio:float? aimage:float? bimage:float? aimagerat:float? bimagerat:float? elong:float? \
    nneg:int? nbad:int? rb:float? ssdistnr:float? ssmagnr:float? ssnamenr:string? sumrat:float? magapbig:float? \
    sigmagapbig:float? ranr:double? decnr:double? scorr:double? magzpsci:float? magzpsciunc:float? magzpscirms:float? \
    clrcoeff:float? clrcounc:float? rbversion:string";

/// Fields of one element of `fp_hists`, forced photometry.
pub const FORCED: &str = "\
    field:int? rcid:int? fid:int pid:long rfid:long sciinpseeing:float? scibckgnd:float? scisigpix:float? \
    magzpsci:float? magzpsciunc:float? magzpscirms:float? clrcoeff:float? clrcounc:float? exptime:float? \
    adpctdif1:float? adpctdif2:float? diffmaglim:float? programid:int jd:double forcediffimflux:float? \
    forcediffimfluxunc:float? procstatus:string? distnr:float? ranr:double decnr:double magnr:float? sigmagnr:float? \
    chinr:float? sharpnr:float?";

/// Version that packets say they have.
pub const VERSION: &str = "4.02";

/// One field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Avro type, e.g. `float`.
    pub kind: &'static str,
    /// Whether it is a union `[null, kind]`.
    pub nullable: bool,
}

/// The fields of a list in the compact notation.
pub fn fields(list: &'static str) -> impl Iterator<Item = Field> {
    list.split_ascii_whitespace().filter_map(|field| {
        let (name, kind) = field.split_once(':')?;
        Some(Field { name, kind: kind.trim_end_matches('?'), nullable: kind.ends_with('?') })
    })
}

/// The whole schema as Avro JSON, with the survey's record names and union order.
#[must_use]
pub fn json() -> String {
    let array = |name: &str, list| {
        format!(
            r#"{{"name":"{0}s","type":["null",{{"type":"array","items":{1}}}],"default":null}}"#,
            name,
            record(name, list)
        )
    };
    let cutout = |name: &str, kind: &str| format!(r#"{{"name":"cutout{name}","type":["null",{kind}],"default":null}}"#);
    let forced = array("fp_hist", FORCED);
    let top = [
        r#"{"name":"schemavsn","type":"string"},{"name":"publisher","type":"string"}"#.to_owned(),
        r#"{"name":"objectId","type":"string"},{"name":"candid","type":"long"}"#.to_owned(),
        format!(r#"{{"name":"candidate","type":{}}}"#, record("candidate", CANDIDATE)),
        array("prv_candidate", PREVIOUS),
        forced,
        cutout("Science", &record("cutout", "fileName:string stampData:bytes")),
        cutout("Template", r#""ztf.alert.cutout""#),
        cutout("Difference", r#""ztf.alert.cutout""#),
    ];
    format!(r#"{{"type":"record","name":"ztf.alert","version":"{VERSION}","fields":[{}]}}"#, top.join(","))
}

fn record(name: &str, list: &'static str) -> String {
    let field = |field: Field| match field {
        Field { name, kind, nullable: true } => {
            format!(r#"{{"name":"{name}","type":["null","{kind}"],"default":null}}"#)
        }
        Field { name, kind, .. } => format!(r#"{{"name":"{name}","type":"{kind}"}}"#),
    };
    let fields: Vec<String> = fields(list).map(field).collect();
    format!(r#"{{"type":"record","name":"ztf.alert.{name}","fields":[{}]}}"#, fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ztf::alert::FIELDS;

    #[test]
    fn the_schema_parses_and_has_the_surveys_sizes() {
        assert!(json().parse::<serde_avro_fast::Schema>().is_ok());
        assert_eq!([CANDIDATE, PREVIOUS, FORCED].map(|list| fields(list).count()), [103, 57, 29]);
    }

    #[test]
    fn every_kept_field_is_a_candidate_field() {
        for name in FIELDS {
            assert!(fields(CANDIDATE).any(|field| field.name == *name), "{name}");
        }
    }
}
