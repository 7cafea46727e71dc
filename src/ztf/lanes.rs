//! Raw deflate (RFC 1951) of four independent streams side by side, so that the processor overlaps their chains of table
//! look-ups, each of which alone mostly waits. Knows deflate only; what it refuses or fails at, another decoder judges.

/// Streams that are inflated side by side.
pub(super) const LANES: usize = 4;
/// Bits of a literal/length code that one look-up resolves.
const LITLEN_BITS: u32 = 10;
/// Bits of a distance code that one look-up resolves.
const DISTANCE_BITS: u32 = 9;
/// Longest code, bits.
const LONGEST: usize = 15;
/// Flag of an entry: not a literal byte.
const OTHER: u16 = 0x40;
/// Added to sums of lengths so that 58 bits, more than are at hand, look like a flag.
const BIAS: u64 = 6;
/// Room that a round may write into: literals, a match, and the overhang of both.
const SLACK: usize = 8 + 258 + 2 * CHUNK;
/// First room of a lane, and the most that is kept for the next stream.
const ROOM: std::ops::RangeInclusive<usize> = 1 << 16..=4 << 20;
const CHUNK: usize = 16;
/// Symbol that ends a block.
const END: u16 = 256;

/// Base and extra bits of the length symbols from 257.
const LENGTHS: [(u16, u8); 32] = lengths();
/// Base and extra bits of the distance symbols.
const DISTANCES: [(u16, u8); 32] = spread(1, 2, 30);
/// Order in which the lengths of the code length code are stored.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Bases from `first` with no extra bits for twice `group` symbols and one more for each further `group`; zeros from `end`.
const fn spread(first: u16, group: usize, end: usize) -> [(u16, u8); 32] {
    let mut table = [(0, 0); 32];
    let (mut base, mut i) = (first, 0);
    while i < end {
        let extra = if i < 2 * group { 0 } else { i / group - 1 };
        table[i] = (base, extra as u8);
        base = base.wrapping_add(1 << extra);
        i += 1;
    }
    table
}

/// The longest match has a symbol of its own.
const fn lengths() -> [(u16, u8); 32] {
    let mut table = spread(3, 4, 28);
    table[28] = (258, 0);
    table
}

/// A prefix code: tables for short codes, counts and sorted symbols for long ones.
struct Code<const SIZE: usize> {
    /// By the next bits: length of the code, `OTHER` unless it is a literal's; then its symbol, less 256 unless a literal.
    table: [u16; SIZE],
    counts: [u16; LONGEST + 1],
    symbols: [u16; 288],
}

impl<const SIZE: usize> Code<SIZE> {
    const BITS: u32 = SIZE.trailing_zeros();

    fn new() -> Self {
        Self { table: [OTHER; SIZE], counts: [0; LONGEST + 1], symbols: [0; 288] }
    }

    /// Makes the code with these lengths; `None` unless it is complete, or `sparse` and of at most one code of one bit.
    fn build(&mut self, lengths: &[u8], sparse: bool) -> Option<()> {
        self.counts = [0; LONGEST + 1];
        for length in lengths {
            self.counts[(length & 15) as usize] += 1;
        }
        self.counts[0] = 0;
        let (mut left, mut offsets, mut used) = (1_i32, [0_u16; LONGEST + 2], 0);
        for length in 1..=LONGEST {
            left = (left << 1) - i32::from(self.counts[length]);
            if left < 0 {
                return None;
            }
            offsets[length + 1] = offsets[length] + self.counts[length];
            used += self.counts[length];
        }
        if left > 0 && !(sparse && (used == 0 || used == 1 && self.counts[1] == 1)) {
            return None;
        }
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut offsets[(*length & 15) as usize];
            self.symbols[*place as usize] = symbol as u16;
            *place += 1;
        }
        self.fill(if sparse { OTHER } else { 0 });
        Some(())
    }

    /// Writes the tables by growing them: codes of `n` bits fill tables of `2^n`, which are then doubled.
    fn fill(&mut self, flag: u16) {
        let (mut size, mut code, mut first) = (1, 0_u32, 0);
        self.table[0] = OTHER;
        for length in 1..=Self::BITS {
            self.table.copy_within(..size, size);
            size *= 2;
            code <<= 1;
            let count = self.counts[length as usize] as usize;
            for &symbol in &self.symbols[first..first + count] {
                let place = (code.reverse_bits() >> (32 - length)) as usize & (SIZE - 1);
                let flag = if symbol >= END { OTHER } else { flag };
                self.table[place] = symbol << 8 | flag | length as u16;
                code += 1;
            }
            first += count;
        }
    }

    /// The entry for these bits.
    #[inline(always)]
    fn look(&self, bits: u64) -> u16 {
        self.table[bits as usize & (SIZE - 1)]
    }

    /// The symbol at the start of `bits`, and its length, bit by bit.
    #[cold]
    fn walk(&self, bits: u64) -> Option<(u16, u32)> {
        let (mut code, mut first, mut index) = (0_i32, 0_i32, 0_i32);
        for length in 1..=LONGEST {
            code |= (bits >> (length - 1) & 1) as i32;
            let count = i32::from(self.counts[length]);
            if code - count < first {
                return Some((self.symbols[(index + code - first) as usize], length as u32));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

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

/// One stream being inflated.
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

impl<'a> Lane<'a> {
    fn new(out: Vec<u8>, job: usize, input: &'a [u8]) -> Self {
        let (litlen, distance) = (Code::new(), Code::new());
        Self { out, input, bit: 0, at: 0, last: false, need: Need::Header, job, litlen, distance }
    }

    /// At least 57 bits; zeros behind the end, which [`Lane::overrun`] notices.
    #[inline(always)]
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

    #[inline(always)]
    fn take(&mut self, count: u32) -> u64 {
        let value = self.bits() & ((1 << count) - 1);
        self.bit += count as usize;
        value
    }

    /// The symbol at hand: a match, the end of the block, or a literal of a long code.
    #[inline(always)]
    fn other(&mut self) -> bool {
        let mut bits = self.bits();
        let entry = self.litlen.look(bits);
        let (mut length, mut symbol) = (u32::from(entry & 15), entry >> 8);
        if entry & OTHER == 0 {
            self.bit += length as usize;
            self.out[self.at] = symbol as u8;
            self.at += 1;
            return true;
        }
        if length == 0 {
            let Some((long, walked)) = self.litlen.walk(bits) else { return self.fail() };
            length = walked;
            if long < END {
                self.bit += length as usize;
                self.out[self.at] = long as u8;
                self.at += 1;
                return true;
            }
            symbol = long - END;
        }
        bits >>= length;
        let mut taken = length;
        if symbol == 0 {
            self.bit += taken as usize;
            self.need = if self.overrun() {
                Need::Failed
            } else if self.last {
                Need::Finished
            } else {
                Need::Header
            };
            return false;
        }
        let (base, extra) = LENGTHS[(symbol as usize).wrapping_sub(1) % 32];
        let length = base as usize + (bits & ((1 << extra) - 1)) as usize;
        bits >>= extra;
        taken += u32::from(extra);
        let entry = self.distance.look(bits);
        let (mut walked, mut symbol) = (u32::from(entry & 15), entry >> 8);
        if walked == 0 {
            let Some(long) = self.distance.walk(bits) else { return self.fail() };
            (symbol, walked) = long;
        }
        bits >>= walked;
        let (base, extra) = DISTANCES[symbol as usize % 32];
        let distance = base as usize + (bits & ((1 << extra) - 1)) as usize;
        taken += walked + u32::from(extra);
        self.bit += taken as usize;
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
            let entry = code.look(self.bits());
            self.bit += usize::from(entry & 15);
            let symbol = (entry >> 8) as u8;
            let (value, times) = match symbol {
                ..16 => (symbol, 1),
                16 => (*lengths.get(at.checked_sub(1)?)?, 3 + self.take(2) as usize),
                17 => (0, 3 + self.take(3) as usize),
                18 => (0, 11 + self.take(7) as usize),
                _ => return None,
            };
            lengths[..total].get_mut(at..at + times)?.fill(value);
            at += times;
        }
        if self.overrun() || literals > 286 || distances > 30 || lengths[END as usize] == 0 {
            return None;
        }
        self.litlen.build(&lengths[..literals], false)?;
        self.distance.build(&lengths[literals..total], true)
    }
}

/// Repeats `length` bytes from `distance` before `at`; may write a chunk beyond.
#[inline(always)]
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

/// Decodes five literals of each lane, or some and what follows them, until a lane needs something.
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
        for l in 0..M {
            let lane = &mut lanes[l];
            let lengths = (even[l] & 0x00ff_00ff_00ff) | (odd[l] & 0x00ff_00ff_00ff) << 8;
            let bytes = (even[l] & 0xff00_ff00_ff00) >> 8 | (odd[l] & 0xff00_ff00_ff00);
            let Some(room) = lane.out.get_mut(lane.at..).and_then(<[u8]>::first_chunk_mut::<SLACK>) else {
                lane.need = Need::Room;
                calm = false;
                continue;
            };
            room[..8].copy_from_slice(&bytes.to_le_bytes());
            let sums = (lengths + BIAS).wrapping_mul(0x0101_0101_0101);
            let others = sums & 0xc0c0_c0c0_c0c0;
            if others == 0 {
                lane.bit += (sums >> 40 & 0xff) as usize - BIAS as usize;
                lane.at += 6;
            } else {
                let literals = others.trailing_zeros() / 8;
                lane.bit += ((sums << 8 | BIAS) >> (8 * literals)) as usize % 256 - BIAS as usize;
                lane.at += literals as usize;
                calm &= lane.other();
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ztf::inflate::Inflater;
    use flate2::{Compression, write::DeflateEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    const LIMIT: usize = 1 << 20;

    fn deflated(plain: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// What comes out of each stream, and how many bytes it took.
    fn inflate(streams: &[Vec<u8>]) -> Vec<Option<(Vec<u8>, usize)>> {
        let inputs: Vec<&[u8]> = streams.iter().map(Vec::as_slice).collect();
        let mut found = vec![None; streams.len()];
        let mut inflaters = Inflaters::default();
        for _ in 0..2 {
            let keep = |i: usize, out: Option<(&[u8], usize)>| found[i] = out.map(|(bytes, len)| (bytes.to_vec(), len));
            inflaters.inflate(&inputs, LIMIT, keep);
        }
        found
    }

    /// Bytes with structure: noise of some width, runs, and repeats of what came before.
    fn plain() -> impl Strategy<Value = Vec<u8>> {
        let part = (0_u8..4, any::<u64>(), 1_usize..3000);
        prop::collection::vec(part, 0..12).prop_map(|parts| {
            let mut bytes = Vec::new();
            for (kind, seed, len) in parts {
                let mut state = seed | 1;
                for i in 0..len {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let noise = (state >> 40) as u8;
                    let back = 1 + seed as usize % 5000;
                    bytes.push(match kind {
                        0 => noise,
                        1 => seed as u8,
                        2 => noise & [0x0f, 0x03, 0x3f, 0x11][i % 4],
                        _ => bytes.len().checked_sub(back).map_or(noise, |at| bytes[at]),
                    });
                }
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_was_deflated_comes_out(plains in prop::collection::vec(plain(), 1..10), level in 0_u32..10) {
            let streams: Vec<Vec<u8>> = plains.iter().map(|plain| deflated(plain, level)).collect();
            let behind = |stream: &Vec<u8>| [&stream[..], b"abc"].concat();
            for (stream, (found, plain)) in streams.iter().zip(inflate(&streams).into_iter().zip(&plains)) {
                prop_assert_eq!(found, Some((plain.clone(), stream.len())));
            }
            let more: Vec<Vec<u8>> = streams.iter().map(behind).collect();
            for (stream, (found, plain)) in streams.iter().zip(inflate(&more).into_iter().zip(&plains)) {
                prop_assert_eq!(found, Some((plain.clone(), stream.len())));
            }
        }

        /// Damage is either found, or gives what the other decoder gives.
        #[test]
        fn damage_never_gives_other_bytes(
            plain in plain(), level in 0_u32..10, flips in prop::collection::vec((any::<usize>(), any::<u8>()), 8), cut in any::<usize>(),
        ) {
            let good = deflated(&plain, level);
            let flipped = |(at, with): &(usize, u8)| {
                let mut bytes = good.clone();
                bytes[at % good.len()] ^= with;
                bytes
            };
            let mut streams: Vec<Vec<u8>> = flips.iter().map(flipped).collect();
            streams.push(good[..cut % good.len()].to_vec());
            prop_assert!(inflate(&streams[8..])[0].is_none(), "cut short");
            let mut inflater = Inflater::default();
            for (stream, found) in streams.iter().zip(inflate(&streams)) {
                if let Some((bytes, _)) = found {
                    let other = inflater.deflate(stream, LIMIT).map(<[u8]>::to_vec);
                    prop_assert_eq!(other, Ok(bytes));
                }
            }
        }

        #[test]
        fn garbage_does_no_harm(streams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..20)) {
            let mut inflater = Inflater::default();
            for (stream, found) in streams.iter().zip(inflate(&streams)) {
                if let Some((bytes, _)) = found {
                    prop_assert_eq!(inflater.deflate(stream, LIMIT), Ok(&bytes[..]));
                }
            }
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let mut inflaters = Inflaters::default();
        let (bomb, fits) = (deflated(&vec![0; 9 * LIMIT], 9), deflated(&vec![7; LIMIT], 9));
        let mut found = Vec::new();
        inflaters.inflate(&[&bomb, &fits], LIMIT, |i, out| found.push((i, out.map(|(bytes, _)| bytes.len()))));
        found.sort_unstable();
        assert_eq!(found, [(0, None), (1, Some(LIMIT))]);
        assert!(inflaters.0.iter().all(|room| room.len() < 3 * LIMIT));
    }
}
