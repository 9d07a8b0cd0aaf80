//! Feeds texts to a graph: token ids, padded to one length.

use std::borrow::Cow;

use ort::{
    session::SessionInputValue,
    value::{Outlet, TensorElementType, TensorRef, ValueType},
};
use warcdl_actors::{Input, ModelError};

/// The text inputs of a graph and their buffers, which are kept from batch to batch.
#[derive(Debug)]
pub(super) struct TokenFeed {
    columns: Vec<Column>,
    pad_id: i64,
    /// The only number of records that the graph takes, if it is fixed.
    pub(super) fixed_batch: Option<usize>,
    /// The only number of token ids that the graph takes, if it is fixed.
    pub(super) fixed_length: Option<usize>,
}

#[derive(Debug)]
struct Column {
    name: String,
    role: Role,
    buffer: Buffer,
}

/// What an input is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The token ids, then the padding id.
    Ids,
    /// 1 at each token, 0 at the padding.
    Mask,
    /// 0: there is only one sequence.
    Segment,
}

#[derive(Debug)]
enum Buffer {
    Int64(Vec<i64>),
    Int32(Vec<i32>),
}

impl TokenFeed {
    /// Matches the graph's inputs by name and type. The error says what does not fit.
    pub(super) fn new(inputs: &[Outlet], pad_id: i64) -> Result<TokenFeed, String> {
        let mut feed = TokenFeed { columns: Vec::new(), pad_id, fixed_batch: None, fixed_length: None };
        for input in inputs {
            let name = input.name();
            let role = match name {
                "input_ids" => Role::Ids,
                "attention_mask" => Role::Mask,
                "token_type_ids" => Role::Segment,
                _ => {
                    return Err(format!(
                        "its input \"{name}\" is none of input_ids, attention_mask and token_type_ids, which is what a \
                         text is turned into"
                    ));
                }
            };
            let (ty, shape) = match input.dtype() {
                ValueType::Tensor { ty, shape, .. } if shape.len() == 2 => (ty, shape),
                _ => return Err(format!("its input \"{name}\" is not of shape [batch, length]")),
            };
            let buffer = match ty {
                TensorElementType::Int64 => Buffer::Int64(Vec::new()),
                TensorElementType::Int32 => Buffer::Int32(Vec::new()),
                other => {
                    return Err(format!("its input \"{name}\" is of type {other}, not int64 or int32"));
                }
            };
            feed.fixed_batch = feed.fixed_batch.or(fixed(shape[0]));
            feed.fixed_length = feed.fixed_length.or(fixed(shape[1]));
            feed.columns.push(Column { name: name.to_owned(), role, buffer });
        }
        if !feed.columns.iter().any(|column| column.role == Role::Ids) {
            return Err("it has no input \"input_ids\"".to_owned());
        }
        Ok(feed)
    }

    /// Fills the buffers and lends them to a run. The batch is as long as its longest text, and never without a column
    /// or, with a fixed batch, a row; rows beyond `inputs` are padding only.
    pub(super) fn fill(
        &mut self,
        inputs: &[&Input],
    ) -> Result<Vec<(Cow<'_, str>, SessionInputValue<'_>)>, ModelError> {
        let longest = inputs.iter().map(|input| input.token_count()).max().unwrap_or(0);
        let length = self.fixed_length.unwrap_or(longest.max(1));
        if longest > length {
            let message = format!("a text of {longest} token ids, but the model takes exactly {length}");
            return Err(ModelError { message });
        }
        let rows = self.fixed_batch.unwrap_or(inputs.len());
        let mut values = Vec::with_capacity(self.columns.len());
        for Column { name, role, buffer } in &mut self.columns {
            let value = match buffer {
                Buffer::Int64(buffer) => {
                    pad(buffer, *role, self.pad_id, rows, length, inputs, i64::from)?;
                    TensorRef::from_array_view(([rows, length], buffer.as_slice()))
                        .map(SessionInputValue::from)
                }
                Buffer::Int32(buffer) => {
                    let pad_id = i32::try_from(self.pad_id).unwrap_or(0);
                    // Ids are indices into a vocabulary, far below 2^31; a damaged one stays out of range.
                    pad(buffer, *role, pad_id, rows, length, inputs, |id| {
                        i32::try_from(id).unwrap_or(i32::MAX)
                    })?;
                    TensorRef::from_array_view(([rows, length], buffer.as_slice()))
                        .map(SessionInputValue::from)
                }
            };
            values.push((
                Cow::from(name.as_str()),
                value.map_err(|error| ModelError { message: error.to_string() })?,
            ));
        }
        Ok(values)
    }
}

/// The size of a dimension, if it is fixed.
pub(super) fn fixed(dimension: i64) -> Option<usize> {
    usize::try_from(dimension).ok().filter(|&size| size > 0)
}

/// Writes `rows × length` numbers, row after row.
fn pad<T: Copy + From<bool>>(
    buffer: &mut Vec<T>,
    role: Role,
    pad_id: T,
    rows: usize,
    length: usize,
    inputs: &[&Input],
    convert: impl Fn(u32) -> T,
) -> Result<(), ModelError> {
    buffer.clear();
    buffer.resize(rows * length, if role == Role::Ids { pad_id } else { T::from(false) });
    for (row, input) in buffer.chunks_exact_mut(length).zip(inputs) {
        let Input::Tokens(data) = input else {
            return Err(ModelError { message: "the model takes texts, and got something else".to_owned() });
        };
        match role {
            Role::Ids => {
                for (slot, bytes) in row.iter_mut().zip(data.chunks_exact(4)) {
                    *slot = convert(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
                }
            }
            Role::Mask => row[..input.token_count()].fill(T::from(true)),
            Role::Segment => {}
        }
    }
    Ok(())
}
