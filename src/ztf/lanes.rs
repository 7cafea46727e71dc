//! Raw deflate (RFC 1951) of four independent streams side by side, so that the processor overlaps their chains of table
//! look-ups, each of which alone mostly waits. Knows deflate only; what it refuses or fails at, another decoder judges.

mod code;
#[cfg(test)]
mod tests;

use code::{Code, DISTANCES, END, LENGTHS};

/// First symbol of a length with extra bits. Most matches are shorter, and need not wait for the table.
const FIRST_WITH_EXTRA: u16 = 265;

/// Streams that are inflated side by side.
pub(super) const LANES: usize = 4;
/// Bits of a literal/length code that one look-up resolves.
const LITLEN_BITS: u32 = 10;
/// Bits of a distance code that one look-up resolves.
const DISTANCE_BITS: u32 = 9;
/// Added to sums of lengths so that 58 bits, more than are at hand, look like a flag.
const BIAS: u64 = 6;
/// Flags in sums of lengths: a code that is no literal's, or more bits than are at hand.
const BAD: u64 = 0xc0c0_c0c0_c0c0;
/// Room that a round may write into: literals, a match, and the overhang of both.
const SLACK: usize = 8 + 258 + 2 * CHUNK;
/// First room of a lane, and the most that is kept for the next stream.
const ROOM: std::ops::RangeInclusive<usize> = 1 << 16..=4 << 20;
const CHUNK: usize = 16;
/// Order in which the lengths of the code length code are stored.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// What a lane needs before it can go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Need {
    Header,
    Room,
    /// Nothing: symbols can be decoded.
    None,
    Finished,
    Failed,
}

/// One stream being inflated. `bit` and `at` stand apart, lest the compiler updates both by one vector store, whose halves
/// the next loads would wait for.
#[repr(C)]
struct Lane<'a> {
    input: &'a [u8],
    out: Vec<u8>,
    /// Next bit of the input.
    bit: usize,
    last: bool,
    need: Need,
    job: usize,
    litlen: Code<{ 1 << LITLEN_BITS }>,
    distance: Code<{ 1 << DISTANCE_BITS }>,
    /// Bytes written.
    at: usize,
}

#[expect(clippy::inline_always, reason = "what the lanes do in turns has to lie in one loop; measured, a tenth faster")]
impl<'a> Lane<'a> {
    fn new(out: Vec<u8>, job: usize, input: &'a [u8]) -> Self {
        let (litlen, distance) = (Code::new(), Code::new());
        Self { out, input, bit: 0, at: 0, last: false, need: Need::Header, job, litlen, distance }
    }

    /// At least 57 bits; zeros behind the end, which [`Lane::overrun`] notices.
    #[inline]
    fn bits(&self) -> u64 {
        let word = match self.input.get(self.bit / 8..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => self.tail(),
        };
        word >> (self.bit % 8)
    }

    #[cold]
    fn tail(&self) -> u64 {
        let rest = self.input.get(self.bit / 8..).unwrap_or_default();
        rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }

    /// Whether more bits were taken than there are.
    fn overrun(&self) -> bool {
        self.bit > self.input.len() * 8
    }

    #[inline]
    fn take(&mut self, count: u32) -> u64 {
        let value = self.bits() & ((1 << count) - 1);
        self.bit += count as usize;
        value
    }

    /// Writes the bytes of six entries, which are literals or will be overwritten; false without room.
    #[inline(always)]
    fn write(&mut self, even: u64, odd: u64) -> bool {
        let bytes = (even & 0xff00_ff00_ff00) >> 8 | (odd & 0xff00_ff00_ff00);
        let Some(room) = self.out.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<SLACK>) else {
            self.need = Need::Room;
            return false;
        };
        room[..8].copy_from_slice(&bytes.to_le_bytes());
        true
    }

    /// Passes over so many literals.
    #[inline(always)]
    fn pass(&mut self, sums: u64, literals: u32) {
        self.bit += ((sums << 8 | BIAS) >> (8 * literals)) as usize % 256 - BIAS as usize;
        self.at += literals as usize;
    }

    /// Passes over the literals, and takes what follows if they are less than six.
    #[inline(always)]
    fn go_on(&mut self, sums: u64) -> bool {
        let bad = sums & BAD;
        if bad == 0 {
            self.pass(sums, 6);
            return true;
        }
        self.pass(sums, bad.trailing_zeros() / 8);
        self.other()
    }

    /// The symbol at hand: a match, the end of the block, or a literal of a long code.
    #[inline(never)]
    fn other(&mut self) -> bool {
        let bits = self.bits();
        let Some((symbol, length)) = self.litlen.symbol(bits) else { return self.fail() };
        self.bit += length as usize;
        if symbol > END {
            return self.repeat(symbol, bits >> length);
        }
        if symbol < END {
            self.out[self.at] = symbol as u8;
            self.at += 1;
            return true;
        }
        self.need = match (self.overrun(), self.last) {
            (true, _) => Need::Failed,
            (false, true) => Need::Finished,
            (false, false) => Need::Header,
        };
        false
    }

    /// A match, of which the symbol of the length was taken; `bits` follow it.
    #[inline]
    fn repeat(&mut self, symbol: u16, mut bits: u64) -> bool {
        let (mut length, mut extra) = (usize::from(symbol - END) + 2, 0);
        if symbol >= FIRST_WITH_EXTRA {
            let (base, more) = LENGTHS[(symbol - END - 1) as usize % 32];
            (length, extra) = (base as usize + (bits & ((1 << more) - 1)) as usize, more);
            bits >>= extra;
        }
        let Some((symbol, taken)) = self.distance.symbol(bits) else { return self.fail() };
        bits >>= taken;
        let (base, more) = DISTANCES[symbol as usize % 32];
        let distance = base as usize + (bits & ((1 << more) - 1)) as usize;
        self.bit += usize::from(extra) + taken as usize + usize::from(more);
        // symbols without meaning have base 0
        if distance == 0 || length == 0 || distance > self.at {
            return self.fail();
        }
        copy(&mut self.out, self.at, distance, length);
        self.at += length;
        true
    }

    #[cold]
    fn fail(&mut self) -> bool {
        self.need = Need::Failed;
        false
    }

    /// Does what the lane needs; false when it is done for.
    #[inline(never)]
    fn attend(&mut self, limit: usize) -> bool {
        loop {
            match self.need {
                Need::None => return true,
                Need::Finished | Need::Failed => return false,
                Need::Header => self.need = self.header(limit).unwrap_or(Need::Failed),
                Need::Room => self.need = self.grow(limit).unwrap_or(Need::Failed),
            }
        }
    }

    /// More room, but never much more than `limit`.
    fn grow(&mut self, limit: usize) -> Option<Need> {
        let room = (2 * self.out.len()).clamp(*ROOM.start(), limit.saturating_add(*ROOM.start()));
        if self.overrun() || self.at > limit || room <= self.out.len() {
            return None;
        }
        self.out.resize(room, 0);
        Some(Need::None)
    }

    fn header(&mut self, limit: usize) -> Option<Need> {
        self.last = self.take(1) == 1;
        match self.take(2) {
            0 => return self.stored(limit),
            1 => self.fixed()?,
            2 => self.dynamic()?,
            _ => return None,
        }
        Some(Need::None)
    }

    fn stored(&mut self, limit: usize) -> Option<Need> {
        let start = self.bit.div_ceil(8);
        let (&[a, b, c, d], data) = self.input.get(start..)?.split_first_chunk()?;
        let len = u16::from_le_bytes([a, b]);
        if len != !u16::from_le_bytes([c, d]) {
            return None;
        }
        let data = data.get(..len as usize)?;
        while self.out.len() < self.at + data.len() {
            self.grow(limit)?;
        }
        self.out[self.at..self.at + data.len()].copy_from_slice(data);
        self.at += data.len();
        self.bit = 8 * (start + 4 + data.len());
        Some(if self.last { Need::Finished } else { Need::Header })
    }

    fn fixed(&mut self) -> Option<()> {
        let mut lengths = [8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.litlen.build(&lengths, false)?;
        self.distance.build(&[5; 32], false)
    }

    fn dynamic(&mut self) -> Option<()> {
        let (literals, distances) = (257 + self.take(5) as usize, 1 + self.take(5) as usize);
        let stored = 4 + self.take(4) as usize;
        let mut lengths = [0_u8; 320];
        for place in &ORDER[..stored] {
            lengths[*place] = self.take(3) as u8;
        }
        let mut code = Code::<128>::new();
        code.build(&lengths[..19], false)?;
        lengths = [0; 320];
        let (mut at, total) = (0, literals + distances);
        while at < total {
            let mut bits = self.bits();
            // four times a code and what belongs to it: 56 bits at most
            for _ in 0..4 {
                let entry = code.look(bits);
                bits >>= entry & 15;
                let (value, base, extra) = match entry >> 8 {
                    literal @ ..16 => (literal as u8, 1, 0),
                    16 => (*lengths.get(at.checked_sub(1)?)?, 3, 2),
                    17 => (0, 3, 3),
                    _ => (0, 11, 7),
                };
                let times = base + (bits & ((1 << extra) - 1)) as usize;
                bits >>= extra;
                self.bit += usize::from(entry & 15) + extra as usize;
                lengths[..total].get_mut(at..at + times)?.fill(value);
                at += times;
                if at == total {
                    break;
                }
            }
        }
        if self.overrun() || literals > 286 || distances > 30 || lengths[END as usize] == 0 {
            return None;
        }
        self.litlen.build(&lengths[..literals], false)?;
        self.distance.build(&lengths[literals..total], true)
    }
}

/// Repeats `length` bytes from `distance` before `at`; may write a chunk beyond.
#[inline]
fn copy(out: &mut [u8], at: usize, distance: usize, length: usize) {
    let from = at - distance;
    if distance >= length || distance >= CHUNK {
        for i in (0..length).step_by(CHUNK) {
            let Some(chunk) = out.get(from + i..).and_then(<[u8]>::first_chunk::<CHUNK>).copied() else { return };
            let Some(room) = out.get_mut(at + i..).and_then(<[u8]>::first_chunk_mut::<CHUNK>) else { return };
            *room = chunk;
        }
    } else if distance == 1 {
        let byte = out[from];
        out[at..at + length].fill(byte);
    } else {
        for i in 0..length {
            out[at + i] = out[from + i];
        }
    }
}

/// Decodes up to six literals of each lane and what follows them, again and again, until a lane needs something.
///
/// The look-ups of all lanes take turns. Entries of a lane gather in two words, the lengths of their codes are summed by one
/// multiplication, and the highest bits of each sum tell how many of the six are literals.
#[inline(never)]
fn sweep<const M: usize>(lanes: &mut [Lane; M]) {
    let mut calm = true;
    while calm {
        let mut bits = [0; M];
        let mut even = [0; M];
        let mut odd = [0; M];
        for (lane, bits) in lanes.iter().zip(&mut bits) {
            *bits = lane.bits();
        }
        for i in 0..3 {
            for l in 0..M {
                let entry = lanes[l].litlen.look(bits[l]);
                bits[l] = bits[l].wrapping_shr(entry.into());
                even[l] |= u64::from(entry) << (16 * i);
            }
            for l in 0..M {
                let entry = lanes[l].litlen.look(bits[l]);
                bits[l] = bits[l].wrapping_shr(entry.into());
                odd[l] |= u64::from(entry) << (16 * i);
            }
        }
        // sums first, lest the compiler moves look-ups of one lane behind those of the others
        let sums: [u64; M] = std::array::from_fn(|l| sum_lengths(even[l], odd[l]));
        if sums.iter().fold(0, |all, sums| all | sums) & BAD == 0 {
            for l in 0..M {
                if lanes[l].write(even[l], odd[l]) {
                    lanes[l].pass(sums[l], 6);
                } else {
                    calm = false;
                }
            }
        } else {
            for l in 0..M {
                if lanes[l].write(even[l], odd[l]) {
                    calm &= lanes[l].go_on(sums[l]);
                } else {
                    calm = false;
                }
            }
        }
    }
}

/// The sum of the lengths of the first code, of the first two, and so on, a byte each, with [`BIAS`].
#[inline]
fn sum_lengths(even: u64, odd: u64) -> u64 {
    let lengths = (even & 0x00ff_00ff_00ff) | (odd & 0x00ff_00ff_00ff) << 8;
    (lengths + BIAS).wrapping_mul(0x0101_0101_0101)
}

/// Inflates streams, as many at a time as there are lanes, reusing its buffers.
#[derive(Default)]
pub(super) struct Inflaters(Vec<Vec<u8>>);

impl Inflaters {
    /// Inflates every stream to at most `limit` bytes. `done` gets, in any order, the number of a stream, its bytes and how
    /// many bytes of input it took; or its number alone when it is damaged, too long, or of a kind that no usual encoder writes.
    pub(super) fn inflate(
        &mut self,
        inputs: &[&[u8]],
        limit: usize,
        mut done: impl FnMut(usize, Option<(&[u8], usize)>),
    ) {
        let mut jobs = inputs.iter().copied().enumerate();
        self.0.resize_with(LANES, Vec::new);
        let lane = |(out, (job, input))| Lane::new(std::mem::take(out), job, input);
        let mut lanes: Vec<Lane> = self.0.iter_mut().zip(&mut jobs).map(lane).collect();
        while !lanes.is_empty() {
            lanes.retain_mut(|lane| {
                while !lane.attend(limit) {
                    let finished = lane.need == Need::Finished && lane.at <= limit;
                    done(lane.job, finished.then(|| (&lane.out[..lane.at], lane.bit.div_ceil(8))));
                    let Some((job, input)) = jobs.next() else {
                        self.0.push(std::mem::take(&mut lane.out));
                        return false;
                    };
                    (lane.input, lane.bit, lane.at, lane.need, lane.job) = (input, 0, 0, Need::Header, job);
                }
                true
            });
            sweep_all(&mut lanes);
        }
        self.0.retain(|out| ROOM.contains(&out.len()));
    }
}

fn sweep_all(lanes: &mut [Lane]) {
    match lanes {
        [] => {}
        [a] => sweep(std::array::from_mut(a)),
        [..] => match lanes.len() {
            2 => lanes.first_chunk_mut::<2>().into_iter().for_each(sweep),
            3 => lanes.first_chunk_mut::<3>().into_iter().for_each(sweep),
            _ => lanes.first_chunk_mut::<LANES>().into_iter().for_each(sweep),
        },
    }
}
