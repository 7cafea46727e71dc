//! Prefix codes of deflate as tables for look-up, and what the symbols of lengths and distances stand for. Knows no stream.

/// Longest code, bits.
const LONGEST: usize = 15;
/// Flag of an entry: not a literal byte.
const OTHER: u16 = 0x40;
/// Symbol that ends a block.
pub(super) const END: u16 = 256;

/// Base and extra bits of the length symbols from 257.
pub(super) const LENGTHS: [(u16, u8); 32] = lengths();
/// Base and extra bits of the distance symbols.
pub(super) const DISTANCES: [(u16, u8); 32] = spread(1, 2, 30);
/// A prefix code: tables for short codes, counts and sorted symbols for long ones.
pub(super) struct Code<const SIZE: usize> {
    /// By the next bits: length of the code, `OTHER` unless it is a literal's; then its symbol, less 256 unless a literal.
    table: [u16; SIZE],
    counts: [u16; LONGEST + 1],
    symbols: [u16; 288],
}

impl<const SIZE: usize> Code<SIZE> {
    const BITS: u32 = SIZE.trailing_zeros();

    pub(super) fn new() -> Self {
        Self { table: [OTHER; SIZE], counts: [0; LONGEST + 1], symbols: [0; 288] }
    }

    /// Makes the code with these lengths; `None` unless it is complete, or `sparse` and of at most one code of one bit.
    pub(super) fn build(&mut self, lengths: &[u8], sparse: bool) -> Option<()> {
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
        // unused symbols go behind all others, which spares a branch
        offsets[0] = used;
        for (symbol, length) in lengths.iter().enumerate() {
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
    #[inline]
    pub(super) fn look(&self, bits: u64) -> u16 {
        self.table[bits as usize & (SIZE - 1)]
    }

    /// The symbol at the start of `bits`, and the length of its code; a distance comes with 256 added or without.
    #[inline]
    pub(super) fn symbol(&self, bits: u64) -> Option<(u16, u32)> {
        let entry = self.look(bits);
        match entry & 15 {
            0 => self.walk(bits),
            length => Some(((entry >> 8) + (entry & OTHER) * (END / OTHER), length.into())),
        }
    }

    /// As [`Code::symbol`], bit by bit.
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
