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
}
