//! What a Rubin packet (`lsst.alert`, schema versions 3 to 11) says of its `diaSource`, in the words of ZTF: days, filters and
//! magnitudes instead of MJD in TAI, bands and nanojansky. Knows no Avro and no image.
//!
//! Names: github.com/lsst/alert_packet, `lsst.v11_0.diaSource.avsc` (3 to 5 call some of them otherwise).

use super::alert::field;
use super::packet::{Packet, Scalar};

/// Days from MJD to JD.
const MJD: f64 = 2_400_000.5;
/// TAI minus UTC, s: since 2017, so for all of Rubin.
const TAI: f64 = 37.0;
/// AB magnitude of 1 nJy.
const NANOJANSKY: f64 = 31.4;
/// Bands as `fid`: ZTF's numbers for g, r and i, then those that ZTF does not have.
const BANDS: [(&str, f64); 6] = [("g", 1.0), ("r", 2.0), ("i", 3.0), ("u", 4.0), ("z", 5.0), ("y", 6.0)];

/// A wanted field of `diaSource`.
#[derive(Clone, Copy, Debug)]
pub(super) enum DiaColumn {
    Mjd,
    Band,
    Flux,
    FluxError,
    DiaObject,
    SolarObject,
    /// As ZTF's field of this name.
    Same(&'static str),
}

impl DiaColumn {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "midpointMjdTai" | "midPointTai" => Self::Mjd,
            "band" | "filterName" => Self::Band,
            "psfFlux" | "psFlux" => Self::Flux,
            "psfFluxErr" | "psFluxErr" => Self::FluxError,
            "diaObjectId" => Self::DiaObject,
            "ssObjectId" => Self::SolarObject,
            "ra" => Self::Same("ra"),
            "dec" | "decl" => Self::Same("dec"),
            "x" => Self::Same("xpos"),
            "y" => Self::Same("ypos"),
            "reliability" => Self::Same("rb"),
            _ => return None,
        })
    }
}

/// Flux and its error, nJy, until both are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flux {
    value: f64,
    error: f64,
}

impl Default for Flux {
    fn default() -> Self {
        Self { value: f64::NAN, error: f64::NAN }
    }
}

impl Packet<'_> {
    /// Takes over one field of `diaSource`, in any order of the fields.
    pub(super) fn set_dia(&mut self, column: DiaColumn, scalar: &Scalar) {
        let number = scalar.number();
        match column {
            DiaColumn::Mjd => self.set("jd", number + MJD - TAI / 86400.0),
            DiaColumn::Band => {
                let band = BANDS.iter().find(|(band, _)| scalar.text() == Some(*band));
                self.set("fid", band.map_or(f64::NAN, |(_, fid)| *fid));
            }
            DiaColumn::Flux => {
                self.flux.value = number;
                self.set_magnitude();
            }
            DiaColumn::FluxError => {
                self.flux.error = number;
                self.set_magnitude();
            }
            // 0 and null both mean that there is none
            DiaColumn::DiaObject => {
                if let Some(id) = scalar.integer().filter(|id| *id != 0) {
                    self.object_id = Some(id.to_string().into());
                }
            }
            DiaColumn::SolarObject => {
                if let (None, Some(id)) = (&self.object_id, scalar.integer().filter(|id| *id != 0)) {
                    self.object_id = Some(id.to_string().into());
                }
            }
            DiaColumn::Same(name) => self.set(name, number),
        }
    }

    /// `magpsf`, `sigmapsf` and `isdiffpos` of the flux on the difference image; a negative flux has the magnitude of its size.
    fn set_magnitude(&mut self) {
        let Flux { value, error } = self.flux;
        let measured = value.is_finite() && value != 0.0;
        self.set("isdiffpos", if measured { f64::from(value > 0.0) } else { f64::NAN });
        self.set("magpsf", if measured { NANOJANSKY - 2.5 * value.abs().log10() } else { f64::NAN });
        let slope = 2.5 / std::f64::consts::LN_10;
        self.set("sigmapsf", if measured { slope * error / value.abs() } else { f64::NAN });
    }

    fn set(&mut self, name: &str, value: f64) {
        if let Some(index) = field(name) {
            self.values[index] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(fields: &[(&str, Scalar)]) -> Packet<'static> {
        let mut packet = Packet::default();
        for (name, scalar) in fields {
            packet.set_dia(DiaColumn::of(name).unwrap(), scalar);
        }
        packet
    }

    /// Numbers of astropy 8:
    ///
    /// ```text
    /// from astropy.time import Time
    /// from astropy import units as u
    /// print(repr(Time(60902.993305483615, format="mjd", scale="tai").utc.jd))
    /// for flux in (1234.5, -36.0):
    ///     print((abs(flux) * u.nJy).to(u.ABmag), 1.0857362047581296 * 12.0 / abs(flux))
    /// ```
    #[test]
    fn days_bands_and_magnitudes_are_ztfs() {
        let fields = [
            ("psfFluxErr", Scalar::Float(12.0)),
            ("psfFlux", Scalar::Float(1234.5)),
            ("band", Scalar::Text("z")),
            ("midpointMjdTai", Scalar::Float(60_902.993_305_483_615)),
        ];
        let one = packet(&fields);
        let value = |packet: &Packet, name: &str| packet.values[field(name).unwrap()];
        assert!((value(&one, "jd") - 2_460_903.492_877_242).abs() < 2e-9, "{}", value(&one, "jd"));
        assert_eq!((value(&one, "fid"), value(&one, "isdiffpos")), (5.0, 1.0));
        assert!((value(&one, "magpsf") - 23.671_272).abs() < 1e-5, "{}", value(&one, "magpsf"));
        assert!((value(&one, "sigmapsf") - 0.010_553_936).abs() < 1e-8, "{}", value(&one, "sigmapsf"));
        let faded = packet(&[("psfFlux", Scalar::Float(-36.0)), ("filterName", Scalar::Text("w"))]);
        assert_eq!(value(&faded, "isdiffpos"), 0.0);
        assert!((value(&faded, "magpsf") - 27.509_244).abs() < 1e-5);
        assert!(value(&faded, "fid").is_nan() && value(&faded, "sigmapsf").is_nan());
    }

    #[test]
    fn the_object_is_a_transient_or_a_body_of_the_solar_system() {
        let id = |fields: &[(&str, Scalar)]| packet(fields).object_id.map(std::borrow::Cow::into_owned);
        let (dia, body) = (("diaObjectId", Scalar::Integer(7)), ("ssObjectId", Scalar::Integer(9)));
        assert_eq!(id(&[body, dia]).as_deref(), Some("7"));
        assert_eq!(id(&[("diaObjectId", Scalar::Nothing), ("ssObjectId", Scalar::Integer(9))]).as_deref(), Some("9"));
        assert_eq!(id(&[("diaObjectId", Scalar::Integer(0)), ("ssObjectId", Scalar::Nothing)]), None);
    }

    /// A container with one record of a Rubin packet: names and order of `lsst.v11_0.alert.avsc`, fields that matter.
    fn container(object: i64, cutout: &[u8]) -> Vec<u8> {
        let source = [
            r#"{"name":"diaSource","type":{"type":"record","name":"diaSource","fields":[{"name":"diaSourceId","type":"long"},"#,
            r#"{"name":"diaObjectId","type":["null","long"],"default":null},{"name":"midpointMjdTai","type":"double"},"#,
            r#"{"name":"ra","type":"double"},{"name":"psfFlux","type":["null","float"]},{"name":"band","type":["null","string"]}]}},"#,
            r#"{"name":"prvDiaSources","type":["null",{"type":"array","items":"lsst.v11_0.diaSource"}],"default":null},"#,
        ];
        let cutouts = ["Difference", "Science", "Template"]
            .map(|kind| format!(r#"{{"name":"cutout{kind}","type":["null","bytes"],"default":null}}"#));
        let schema = format!(
            r#"{{"namespace":"lsst.v11_0","type":"record","name":"alert","fields":[{{"name":"diaSourceId","type":"long"}},{}{}]}}"#,
            source.concat(),
            cutouts.join(",")
        );
        let mut record = Vec::new();
        long(&mut record, 77);
        long(&mut record, 77);
        long(&mut record, 1);
        long(&mut record, object);
        record.extend(60_902.5_f64.to_le_bytes());
        record.extend(351.5_f64.to_le_bytes());
        long(&mut record, 1);
        record.extend(100_f32.to_le_bytes());
        long(&mut record, 1);
        bytes(&mut record, b"i");
        long(&mut record, 0);
        for _ in 0..3 {
            long(&mut record, 1);
            bytes(&mut record, cutout);
        }
        let mut file = b"Obj\x01".to_vec();
        long(&mut file, 1);
        bytes(&mut file, b"avro.schema");
        bytes(&mut file, schema.as_bytes());
        long(&mut file, 0);
        file.extend([7; 16]);
        long(&mut file, 1);
        bytes(&mut file, &record);
        file.extend([7; 16]);
        file
    }

    fn long(to: &mut Vec<u8>, value: i64) {
        let mut left = ((value << 1) ^ (value >> 63)) as u64;
        while left >= 0x80 {
            to.push(left as u8 | 0x80);
            left >>= 7;
        }
        to.push(left as u8);
    }

    fn bytes(to: &mut Vec<u8>, value: &[u8]) {
        long(to, value.len() as i64);
        to.extend(value);
    }

    #[test]
    fn a_packet_is_an_alert_and_its_cutouts_of_any_size_are_framed() {
        use super::super::alert::Stamp;
        use super::super::decode::Decoder;
        use super::super::fits;
        use super::super::quality::Reason;
        use std::sync::Arc;
        let stamp = Stamp { rows: 30, columns: 32, pixels: (0..960).map(|i| i as f32).collect() };
        let mut cutout = fits::write(&stamp);
        // mask and PSF follow the image
        let behind = fits::write(&Stamp { rows: 2, columns: 2, pixels: vec![9.0; 4] });
        cutout.extend(&behind);
        let decode = |bytes: &[u8]| Decoder::new(Arc::default(), Arc::default()).container(&"p".into(), bytes);
        let readings = decode(&container(313, &cutout));
        let found: Vec<_> = readings[0].occurrences.iter().map(|found| (found.reason, found.detail.as_str())).collect();
        let resized = |kind: &'static str| (Reason::Resized, kind);
        assert_eq!(
            found,
            [
                resized("science: 30 x 32 pixels"),
                resized("template: 30 x 32 pixels"),
                resized("difference: 30 x 32 pixels")
            ]
        );
        let alert = readings[0].alert.as_ref().unwrap();
        assert_eq!((alert.candid, alert.object_id.as_str()), (77, "313"));
        assert_eq!(["fid", "ra", "magpsf", "isdiffpos"].map(|name| alert.value(name)), [3.0, 351.5, 26.4, 1.0]);
        let pixels = &alert.stamps[2].pixels;
        assert_eq!(pixels[31 * 63 + 31], (15 * 32 + 16) as f32);
        assert_eq!(pixels.iter().filter(|pixel| pixel.is_nan()).count(), 63 * 63 - 960);
        assert_eq!(decode(&container(0, &cutout))[0].occurrences[0].reason, Reason::MissingObject);
        assert_eq!(decode(&container(313, b""))[0].occurrences[0].reason, Reason::MissingCutout);
    }
}
