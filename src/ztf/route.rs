//! A writer schema turned once into the way through its records, for packets are read by the thousand with the same schema.
//! Takes the plain way only: whatever is rare or wrong ends it, and `packet` judges the record by its general decoder.

use super::history::{Point, PointColumn, Series};
use super::packet::{self, Column, Packet, Part, Scalar};
use serde_avro_fast::schema::{RegularType, SchemaKey, SchemaMut};
use std::borrow::Cow;

/// Deepest nesting of types; a packet has five levels.
const DEEPEST: usize = 12;
/// Most steps; a packet has four hundred.
const MOST_STEPS: usize = 10_000;
/// Most elements of an array; `prv_candidates` has tens.
const LONGEST_ARRAY: i64 = 10_000;

/// What stands next in a record.
#[derive(Debug)]
enum Step {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Text,
    Bytes,
    /// `[null, T]` where `T` has so many bytes: nearly every field of a packet.
    Optional(usize, Box<Step>),
    Union(Vec<Step>),
    Array(Box<Step>),
    Record(Vec<(Wanted, Step)>),
}

/// What a field of a record is good for.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    Part(Part),
    Column(Column),
    Point(PointColumn),
    StampData,
    Nothing,
}

/// Which record a type belongs to.
#[derive(Clone, Copy)]
enum Level {
    Top,
    Candidate,
    DiaSource,
    Point,
    Cutout,
    Other,
}

impl Level {
    fn wanted(self, name: &str) -> Wanted {
        match self {
            Self::Top => Wanted::Part(Part::of(name)),
            Self::Candidate => Column::of(name).map_or(Wanted::Nothing, Wanted::Column),
            Self::DiaSource => Column::of_dia(name).map_or(Wanted::Nothing, Wanted::Column),
            Self::Point => PointColumn::of(name).map_or(Wanted::Nothing, Wanted::Point),
            Self::Cutout if name == "stampData" => Wanted::StampData,
            Self::Cutout | Self::Other => Wanted::Nothing,
        }
    }
}

impl Wanted {
    /// Where the types inside this field belong.
    fn level(self) -> Level {
        match self {
            Self::Part(Part::Candidate) => Level::Candidate,
            Self::Part(Part::DiaSource) => Level::DiaSource,
            Self::Part(Part::History(_)) => Level::Point,
            Self::Part(Part::Cutout(_)) => Level::Cutout,
            _ => Level::Other,
        }
    }
}

/// The way through the records of one schema.
#[derive(Debug)]
pub(super) struct Route(Vec<(Wanted, Step)>);

impl Route {
    /// The way through records of this schema; none when it has types that no packet has.
    pub(super) fn of(schema: &str) -> Option<Self> {
        let schema: SchemaMut = schema.parse().ok()?;
        let mut left = MOST_STEPS;
        match step(&schema, SchemaKey::root(), Level::Top, 0, &mut left)? {
            Step::Record(fields) => Some(Self(fields)),
            _ => None,
        }
    }

    /// Fills `packet` from the record at the start of `bytes`; returns how many bytes it took. `None`, with anything in
    /// `packet`, when the record is not plain.
    pub(super) fn follow<'a>(&self, packet: &mut Packet<'a>, bytes: &'a [u8]) -> Option<usize> {
        let mut walk = Walk { left: bytes };
        for (wanted, step) in &self.0 {
            match wanted {
                Wanted::Part(Part::Candidate | Part::DiaSource) => walk.candidate(step, packet)?,
                Wanted::Part(Part::History(series)) => match &mut packet.history {
                    Some(points) => walk.history(step, *series, points)?,
                    None => walk.skip(step)?,
                },
                Wanted::Part(Part::Cutout(index)) => walk.cutout(step, &mut packet.cutouts[*index])?,
                Wanted::Part(Part::Version) => packet.version = walk.value(step)?.text(),
                Wanted::Part(Part::Object) => packet.object_id = walk.value(step)?.text().map(Cow::Borrowed),
                Wanted::Part(Part::Candid) => packet.candid = walk.value(step)?.integer(),
                _ => walk.skip(step)?,
            }
        }
        Some(bytes.len() - walk.left.len()).filter(|taken| *taken > 0)
    }
}

fn step(schema: &SchemaMut, key: SchemaKey, level: Level, depth: usize, left: &mut usize) -> Option<Step> {
    let node = schema.get(key)?;
    *left = left.checked_sub(1)?;
    if depth > DEEPEST || node.logical_type.is_some() {
        return None;
    }
    let mut inner = |key, level| step(schema, key, level, depth + 1, left);
    Some(match &node.type_ {
        RegularType::Null => Step::Null,
        RegularType::Boolean => Step::Boolean,
        RegularType::Int => Step::Int,
        RegularType::Long => Step::Long,
        RegularType::Float => Step::Float,
        RegularType::Double => Step::Double,
        RegularType::String => Step::Text,
        RegularType::Bytes => Step::Bytes,
        RegularType::Array(array) => Step::Array(Box::new(inner(array.items, level)?)),
        RegularType::Union(union) => {
            union_step(union.variants.iter().map(|key| inner(*key, level)).collect::<Option<_>>()?)
        }
        RegularType::Record(record) => {
            let fields = record.fields.iter().map(|field| {
                let wanted = level.wanted(&field.name);
                Some((wanted, inner(field.type_, wanted.level())?))
            });
            Step::Record(fields.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn union_step(mut variants: Vec<Step>) -> Step {
    let size = match variants[..] {
        [Step::Null, Step::Float] => 4,
        [Step::Null, Step::Double] => 8,
        _ => return Step::Union(variants),
    };
    Step::Optional(size, Box::new(variants.remove(1)))
}

/// The bytes of a record that are still to come.
struct Walk<'a> {
    left: &'a [u8],
}

impl<'a> Walk<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.left.split_at_checked(count)?;
        self.left = left;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, left) = self.left.split_first_chunk()?;
        self.left = left;
        Some(*taken)
    }

    /// A zigzag variable-length integer.
    fn long(&mut self) -> Option<i64> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        None
    }

    /// Text or bytes after their length.
    fn delimited(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.long()?).ok()?;
        self.take(len)
    }

    fn variant<'s>(&mut self, variants: &'s [Step]) -> Option<&'s Step> {
        variants.get(usize::try_from(self.long()?).ok()?)
    }

    /// A value of a simple type.
    fn value(&mut self, step: &Step) -> Option<Scalar<'a>> {
        Some(match step {
            Step::Null => Scalar::Nothing,
            Step::Boolean => Scalar::Integer(self.array::<1>().filter(|[byte]| *byte < 2)?[0].into()),
            Step::Int => Scalar::Integer(i32::try_from(self.long()?).ok()?.into()),
            Step::Long => Scalar::Integer(self.long()?),
            Step::Float => Scalar::Float(f32::from_le_bytes(self.array()?).into()),
            Step::Double => Scalar::Float(f64::from_le_bytes(self.array()?)),
            Step::Text => Scalar::Text(std::str::from_utf8(self.delimited()?).ok()?),
            Step::Bytes => Scalar::Bytes(self.delimited()?),
            Step::Optional(_, inner) => match self.array()? {
                [0] => Scalar::Nothing,
                [2] => self.value(inner)?,
                _ => return None,
            },
            Step::Union(variants) => {
                let variant = self.variant(variants)?;
                self.value(variant)?
            }
            Step::Array(_) | Step::Record(_) => return None,
        })
    }

    fn skip(&mut self, step: &Step) -> Option<()> {
        match step {
            // 0 or 2 without a branch, for which of them comes cannot be foretold
            Step::Optional(size, _) => match self.array()? {
                [variant] if variant & !2 == 0 => self.take(usize::from(variant / 2) * size).map(drop),
                _ => None,
            },
            Step::Float => self.take(4).map(drop),
            Step::Double => self.take(8).map(drop),
            // the general decoder knows which texts must be UTF-8
            Step::Text => self.delimited().filter(|text| text.is_ascii()).map(drop),
            Step::Union(variants) => {
                let variant = self.variant(variants)?;
                self.skip(variant)
            }
            Step::Array(items) => self.skip_array(items),
            Step::Record(fields) => fields.iter().try_for_each(|(_, field)| self.skip(field)),
            simple => self.value(simple).map(drop),
        }
    }

    fn skip_array(&mut self, items: &Step) -> Option<()> {
        loop {
            match self.long()? {
                0 => return Some(()),
                count @ 1..=LONGEST_ARRAY => (0..count).try_for_each(|_| self.skip(items))?,
                _ => return None,
            }
        }
    }

    fn candidate(&mut self, step: &Step, packet: &mut Packet<'a>) -> Option<()> {
        match step {
            Step::Record(fields) => fields.iter().try_for_each(|(wanted, step)| {
                match wanted {
                    Wanted::Column(column) => packet.set_column(*column, &self.value(step)?),
                    _ => self.skip(step)?,
                }
                Some(())
            }),
            Step::Union(variants) => {
                let variant = self.variant(variants)?;
                self.candidate(variant, packet)
            }
            Step::Null => Some(()),
            _ => None,
        }
    }

    /// The points of an array.
    fn history(&mut self, step: &Step, series: Series, points: &mut Vec<Point>) -> Option<()> {
        match step {
            Step::Array(items) => loop {
                match self.long()? {
                    0 => return Some(()),
                    count @ 1..=LONGEST_ARRAY if points.len() < packet::LONGEST_ARRAY => {
                        for _ in 0..count {
                            let mut point = Point::of(series);
                            self.point(items, &mut point)?;
                            points.extend(point.complete());
                        }
                    }
                    _ => return None,
                }
            },
            Step::Union(variants) => {
                let variant = self.variant(variants)?;
                self.history(variant, series, points)
            }
            Step::Null => Some(()),
            _ => None,
        }
    }

    fn point(&mut self, step: &Step, point: &mut Point) -> Option<()> {
        match step {
            Step::Record(fields) => fields.iter().try_for_each(|(wanted, step)| {
                match wanted {
                    Wanted::Point(column) => point.set(*column, &self.value(step)?),
                    _ => self.skip(step)?,
                }
                Some(())
            }),
            Step::Union(variants) => {
                let variant = self.variant(variants)?;
                self.point(variant, point)
            }
            Step::Null => Some(()),
            _ => None,
        }
    }

    fn cutout(&mut self, step: &Step, data: &mut Option<&'a [u8]>) -> Option<()> {
        match step {
            Step::Record(fields) => fields.iter().try_for_each(|(wanted, step)| {
                match wanted {
                    Wanted::StampData => *data = self.value(step)?.bytes(),
                    _ => self.skip(step)?,
                }
                Some(())
            }),
            Step::Union(variants) => {
                let variant = self.variant(variants)?;
                self.cutout(variant, data)
            }
            Step::Bytes => {
                *data = self.value(step)?.bytes();
                Some(())
            }
            Step::Null => Some(()),
            _ => None,
        }
    }
}
