//! The part of Python's pickle language that `torch.save` writes for plain tensors, read without executing anything: a
//! name outside a short list is refused, and a call only makes an ordered dictionary or says where a tensor lies.
//! Knows no archive and touches no data of tensors.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::number::Number;

/// Values on the stack; torch puts no more than two thousand there at a time.
const MOST_STACK: usize = 100_000;
/// Tuples inside each other.
const MOST_DEPTH: usize = 32;
/// Dimensions of a tensor.
const MOST_DIMENSIONS: usize = 16;

/// A view of a storage, in elements.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    pub(super) number: Number,
    /// Name of the storage in the archive.
    pub(super) storage: Rc<str>,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// What a pickle holds, as far as weights need it.
#[derive(Debug)]
pub(super) struct Pickle {
    pub(super) top: Value,
    /// What dictionaries hold of tensors and other dictionaries under names.
    pub(super) dictionaries: Vec<BTreeMap<Rc<str>, Value>>,
}

/// A value. Shared parts are shared here too, so that repeating one costs no memory.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// `None`, truth values, real numbers and lists: nothing that weights need.
    Other,
    Int(i64),
    Text(Rc<str>),
    /// With how deep tuples are inside each other.
    Tuple(Rc<Vec<Value>>, usize),
    List,
    /// Position among [`Pickle::dictionaries`].
    Dictionary(usize),
    Global(Global),
    Storage(Number, Rc<str>),
    Tensor(Rc<Tensor>),
}

/// The names that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Tensor,
    Parameter,
    Storage(Number),
}

impl Global {
    fn named(module: &str, name: &str) -> Result<Self, String> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_parameter") => Self::Parameter,
            ("torch", "HalfStorage") => Self::Storage(Number::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Number::BF16),
            ("torch", "FloatStorage") => Self::Storage(Number::F32),
            ("torch", "DoubleStorage") => Self::Storage(Number::F64),
            ("torch", "LongStorage") => Self::Storage(Number::I64),
            ("torch", "IntStorage") => Self::Storage(Number::I32),
            ("torch", "ShortStorage") => Self::Storage(Number::I16),
            ("torch", "CharStorage") => Self::Storage(Number::I8),
            ("torch", "ByteStorage") => Self::Storage(Number::U8),
            ("torch", "BoolStorage") => Self::Storage(Number::Bool),
            _ => {
                return Err(format!(
                    "its pickle asks for `{module}.{name}`, which is not plain tensors and is not run: save `model.state_dict()`"
                ));
            }
        })
    }

    /// What a call with `arguments` says.
    fn call(self, arguments: &[Value]) -> Result<Value, String> {
        match (self, arguments) {
            (Self::Parameter, [tensor @ Value::Tensor(_), ..]) => Ok(tensor.clone()),
            (Self::Tensor, [Value::Storage(number, storage), Value::Int(offset), shape, strides, ..]) => {
                let tensor = Tensor {
                    number: *number,
                    storage: storage.clone(),
                    offset: size(*offset)?,
                    shape: sizes(shape)?,
                    strides: sizes(strides)?,
                };
                Ok(Value::Tensor(Rc::new(tensor)))
            }
            _ => Err("its pickle calls a function with arguments that torch does not write".into()),
        }
    }
}

fn size(value: i64) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("a tensor has {value} for an offset, a size or a stride"))
}

fn sizes(value: &Value) -> Result<Vec<usize>, String> {
    let Value::Tuple(items, _) = value else { return Err("a tensor has no tuple of sizes or strides".into()) };
    if items.len() > MOST_DIMENSIONS {
        return Err(format!("a tensor has {} dimensions, more than {MOST_DIMENSIONS}", items.len()));
    }
    let of = |item: &Value| if let Value::Int(value) = item { size(*value) } else { Err("a size is no number".into()) };
    items.iter().map(of).collect()
}

/// The value that `bytes` describe.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine =
        Machine { bytes, at: 0, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), dictionaries: Vec::new() };
    loop {
        if let Some(top) = machine.step()? {
            return Ok(Pickle { top, dictionaries: machine.dictionaries });
        }
        if machine.stack.len() > MOST_STACK {
            return Err(format!("its pickle holds more than {MOST_STACK} values at a time"));
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    dictionaries: Vec<BTreeMap<Rc<str>, Value>>,
}

impl<'a> Machine<'a> {
    /// One instruction; gives the value once it is whole.
    fn step(&mut self) -> Result<Option<Value>, String> {
        let at = self.at;
        match self.take(1)?[0] {
            0x80 => drop(self.take(1)?),         // PROTO
            0x95 => drop(self.take(8)?),         // FRAME
            b'.' => return self.pop().map(Some), // STOP
            b'(' => self.marks.push(self.stack.len()),
            b'0' | b'b' => drop(self.pop()?), // POP; BUILD: attributes of a dictionary, such as `_metadata`
            b'N' | 0x88 | 0x89 => self.stack.push(Value::Other), // None, true, false
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Other); // a real number
            }
            b'J' => self.int(4)?,
            b'K' => self.int(1)?,
            b'M' => self.int(2)?,
            0x8a => self.long()?,
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            0x94 => self.memoize()?,
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b')' => self.tuple(0)?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.stack.len() - self.mark()?;
                self.tuple(items)?;
            }
            b']' => self.stack.push(Value::List),
            b'}' => self.dictionary(),
            b'a' => self.append(1)?,
            b'e' => {
                let items = self.stack.len() - self.mark()?;
                self.append(items)?;
            }
            b's' => self.set(2)?,
            b'u' => {
                let items = self.stack.len() - self.mark()?;
                self.set(items)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.stack.push(Value::Global(Global::named(module, name)?));
            }
            0x93 => self.stack_global()?,
            b'Q' => self.storage()?,
            b'R' => self.reduce()?,
            other => {
                return Err(format!(
                    "its pickle has the instruction {other:#04x} at byte {at}, which torch does not write for tensors"
                ));
            }
        }
        Ok(None)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("its pickle ends in the middle")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// A little-endian number without sign.
    fn number(&mut self, width: usize) -> Result<u32, String> {
        Ok(self.take(width)?.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    fn int(&mut self, width: usize) -> Result<(), String> {
        let value = self.number(width)?;
        self.stack.push(Value::Int(if width == 4 { i64::from(value as i32) } else { i64::from(value) }));
        Ok(())
    }

    /// A little-endian number in two's complement, with its length before it.
    fn long(&mut self) -> Result<(), String> {
        let length = self.number(1)? as usize;
        let bytes = self.take(length)?;
        if length > 8 {
            return Err(format!("its pickle has a whole number of {length} bytes"));
        }
        let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
        self.stack.push(Value::Int(bytes.iter().rev().fold(sign, |sum, byte| sum << 8 | i64::from(*byte))));
        Ok(())
    }

    fn text(&mut self, width: usize) -> Result<(), String> {
        let length = self.number(width)? as usize;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| "its pickle has text that is not UTF-8")?;
        self.stack.push(Value::Text(text.into()));
        Ok(())
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or("its pickle ends in the middle")?;
        let line = std::str::from_utf8(self.take(length)?).map_err(|_| "its pickle has text that is not UTF-8")?;
        self.take(1)?;
        Ok(line)
    }

    fn pop(&mut self) -> Result<Value, String> {
        if self.marks.last().is_some_and(|mark| *mark >= self.stack.len()) {
            return Err("its pickle takes more values than there are".into());
        }
        self.stack.pop().ok_or_else(|| "its pickle takes more values than there are".into())
    }

    /// The height of the stack at the last mark, which is taken away.
    fn mark(&mut self) -> Result<usize, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        mark.ok_or_else(|| "its pickle closes a list that it did not open".into())
    }

    /// The last `items` values.
    fn last(&mut self, items: usize) -> Result<Vec<Value>, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let first = self.stack.len().checked_sub(items).filter(|first| *first >= floor);
        Ok(self.stack.split_off(first.ok_or("its pickle takes more values than there are")?))
    }

    fn remember(&mut self, width: usize) -> Result<(), String> {
        let place = self.number(width)?;
        let top = self.stack.last().ok_or("its pickle remembers what there is not")?;
        self.memo.insert(place, top.clone());
        Ok(())
    }

    fn memoize(&mut self) -> Result<(), String> {
        let top = self.stack.last().ok_or("its pickle remembers what there is not")?;
        self.memo.insert(self.memo.len() as u32, top.clone());
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<(), String> {
        let place = self.number(width)?;
        let value = self.memo.get(&place).ok_or("its pickle recalls what there is not")?;
        self.stack.push(value.clone());
        Ok(())
    }

    fn tuple(&mut self, items: usize) -> Result<(), String> {
        let items = self.last(items)?;
        let depth = |item: &Value| if let Value::Tuple(_, depth) = item { *depth } else { 0 };
        let depth = 1 + items.iter().map(depth).max().unwrap_or(0);
        if depth > MOST_DEPTH {
            return Err(format!("its pickle has tuples inside each other, more than {MOST_DEPTH} deep"));
        }
        self.stack.push(Value::Tuple(Rc::new(items), depth));
        Ok(())
    }

    fn append(&mut self, items: usize) -> Result<(), String> {
        self.last(items)?;
        match self.stack.last() {
            Some(Value::List) => Ok(()),
            _ => Err("its pickle appends to what is no list".into()),
        }
    }

    fn dictionary(&mut self) {
        self.stack.push(Value::Dictionary(self.dictionaries.len()));
        self.dictionaries.push(BTreeMap::new());
    }

    /// Puts names and values into the dictionary below them; what is no tensor and no dictionary is passed over.
    fn set(&mut self, items: usize) -> Result<(), String> {
        let items = self.last(items)?;
        let Some(Value::Dictionary(at)) = self.stack.last() else {
            return Err("its pickle puts values into what is no dictionary".into());
        };
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("its pickle has a name without a value".into());
        }
        for [name, value] in pairs {
            if let (Value::Text(name), Value::Tensor(_) | Value::Dictionary(_)) = (name, value) {
                self.dictionaries[*at].insert(name.clone(), value.clone());
            }
        }
        Ok(())
    }

    fn stack_global(&mut self) -> Result<(), String> {
        match &self.last(2)?[..] {
            [Value::Text(module), Value::Text(name)] => self.stack.push(Value::Global(Global::named(module, name)?)),
            _ => return Err("its pickle names a function by what is no text".into()),
        }
        Ok(())
    }

    /// `('storage', type, name in the archive, device, number of elements)`. The archive says how long it really is.
    fn storage(&mut self) -> Result<(), String> {
        let told = self.pop()?;
        let Value::Tuple(told, _) = &told else { return Err("its pickle has a storage that is no tuple".into()) };
        match &told[..] {
            [Value::Text(word), Value::Global(Global::Storage(number)), Value::Text(name), ..]
                if **word == *"storage" =>
            {
                self.stack.push(Value::Storage(*number, name.clone()));
                Ok(())
            }
            _ => Err("its pickle has a storage that torch does not write".into()),
        }
    }

    fn reduce(&mut self) -> Result<(), String> {
        let call = self.last(2)?;
        match &call[..] {
            [Value::Global(Global::OrderedDict), Value::Tuple(none, _)] if none.is_empty() => self.dictionary(),
            [Value::Global(global), Value::Tuple(arguments, _)] => self.stack.push(global.call(arguments)?),
            _ => return Err("its pickle calls what is no function".into()),
        }
        Ok(())
    }
}
