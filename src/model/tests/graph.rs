//! Tiny ONNX graphs, encoded by hand, so that the tests need no model file.
//!
//! Field numbers are those of onnx.proto; the wire format is that of Protocol Buffers.

/// `TensorProto.DataType`
pub(super) const FLOAT: u64 = 1;
pub(super) const UINT8: u64 = 2;
pub(super) const INT32: u64 = 6;
pub(super) const INT64: u64 = 7;

/// A dimension that is left open.
pub(super) const OPEN: i64 = -1;

/// One message of Protocol Buffers.
#[derive(Clone, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn int(mut self, field: u64, value: u64) -> Message {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Message {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn all<'a>(self, field: u64, items: impl IntoIterator<Item = &'a str>) -> Message {
        items.into_iter().fold(self, |message, item| message.bytes(field, item.as_bytes()))
    }
}

/// `GraphProto` in the making.
#[derive(Default)]
pub(super) struct Graph(Message);

impl Graph {
    pub(super) fn input(self, name: &str, element: u64, shape: &[i64]) -> Graph {
        Graph(self.0.bytes(11, &value_info(name, element, shape)))
    }

    pub(super) fn output(self, name: &str, element: u64, shape: &[i64]) -> Graph {
        Graph(self.0.bytes(12, &value_info(name, element, shape)))
    }

    pub(super) fn floats(self, name: &str, shape: &[i64], values: &[f32]) -> Graph {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, FLOAT, shape, &raw)
    }

    pub(super) fn ints(self, name: &str, values: &[i64]) -> Graph {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, INT64, &[values.len() as i64], &raw)
    }

    fn constant(self, name: &str, element: u64, shape: &[i64], raw: &[u8]) -> Graph {
        let tensor = shape.iter().fold(Message::default(), |message, &size| message.int(1, size as u64));
        Graph(self.0.bytes(5, &tensor.int(2, element).bytes(8, name.as_bytes()).bytes(9, raw).0))
    }

    /// A node with integer attributes; an attribute of one number is `INT`, of several `INTS`.
    pub(super) fn node(
        self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, &[i64])],
    ) -> Graph {
        let node = Message::default().all(1, inputs.iter().copied()).all(2, [output]).all(4, [op]);
        let node = attributes.iter().fold(node, |node, (name, values)| {
            let attribute = Message::default().all(1, [*name]);
            let attribute = match values {
                [value] => attribute.int(3, *value as u64).int(20, 2),
                values => {
                    values.iter().fold(attribute, |message, &value| message.int(8, value as u64)).int(20, 7)
                }
            };
            node.bytes(5, &attribute.0)
        });
        Graph(self.0.bytes(1, &node.0))
    }

    /// `ModelProto`
    pub(super) fn model(self) -> Vec<u8> {
        const OPSET: u64 = 13;
        let graph = self.0.all(2, ["test"]);
        let opset = Message::default().bytes(1, b"").int(2, OPSET);
        Message::default().int(1, 8).bytes(7, &graph.0).bytes(8, &opset.0).0
    }
}

fn value_info(name: &str, element: u64, shape: &[i64]) -> Vec<u8> {
    let dimensions = shape.iter().enumerate().fold(Message::default(), |message, (index, &size)| {
        let dimension = Message::default();
        let dimension = if size < 0 {
            dimension.all(2, [format!("open_{index}").as_str()])
        } else {
            dimension.int(1, size as u64)
        };
        message.bytes(1, &dimension.0)
    });
    let tensor = Message::default().int(1, element).bytes(2, &dimensions.0);
    Message::default().all(1, [name]).bytes(2, &Message::default().bytes(1, &tensor.0).0).0
}

/// A text model: the mean, over the tokens that the mask lets through, of a row of `embeddings` each.
///
/// `inputs` are `[batch, length]`; `token_type_ids` are added to the values, which shows them if they are not zero.
pub(super) fn text(
    inputs: &[(&str, u64)],
    (batch, length): (i64, i64),
    output: &str,
    embeddings: &[&[f32]],
) -> Vec<u8> {
    let labels = embeddings[0].len() as i64;
    let graph =
        inputs.iter().fold(Graph::default(), |graph, (name, ty)| graph.input(name, *ty, &[batch, length]));
    let has = |name: &str| inputs.iter().any(|(input, _)| *input == name);
    let mask = if has("attention_mask") { "attention_mask" } else { "ones" };
    let mut graph = graph
        .floats("embeddings", &[embeddings.len() as i64, labels], &embeddings.concat())
        .ints("one", &[1])
        .ints("two", &[2]);
    if mask == "ones" {
        // Ids are never negative, so their sign, moved up, is 1 at every place.
        graph = graph
            .node("Cast", &["input_ids"], "ids_float", &[("to", &[FLOAT as i64])])
            .node("Sub", &["ids_float", "ids_float"], "zeros", &[])
            .node("Exp", &["zeros"], "ones", &[]);
    }
    graph = graph
        .node("Gather", &["embeddings", "input_ids"], "rows", &[])
        .node("Cast", &[mask], "mask", &[("to", &[FLOAT as i64])])
        .node("Unsqueeze", &["mask", "two"], "mask_of_rows", &[])
        .node("Mul", &["rows", "mask_of_rows"], "masked", &[])
        .node("ReduceSum", &["masked", "one"], "sum", &[("keepdims", &[0])])
        .node("ReduceSum", &["mask_of_rows", "one"], "number", &[("keepdims", &[0])]);
    if has("token_type_ids") {
        graph = graph
            .node("Cast", &["token_type_ids"], "types", &[("to", &[FLOAT as i64])])
            .node("ReduceSum", &["types", "one"], "types_sum", &[("keepdims", &[1])])
            .node("Div", &["sum", "number"], "mean", &[])
            .node("Add", &["mean", "types_sum"], output, &[]);
    } else {
        graph = graph.node("Div", &["sum", "number"], output, &[]);
    }
    graph.output(output, FLOAT, &[batch, labels]).model()
}

/// An image model: the mean of each channel, times `weights` (3 rows, a column a label).
pub(super) fn image(element: u64, shape: [i64; 4], output: &str, weights: [&[f32]; 3]) -> Vec<u8> {
    let labels = weights[0].len() as i64;
    let axes: &[i64] = if shape[3] == 3 { &[1, 2] } else { &[2, 3] };
    Graph::default()
        .input("pixel_values", element, &shape)
        .floats("weights", &[3, labels], &weights.concat())
        .node("Cast", &["pixel_values"], "float", &[("to", &[FLOAT as i64])])
        .node("ReduceMean", &["float"], "mean", &[("axes", axes), ("keepdims", &[0])])
        .node("MatMul", &["mean", "weights"], output, &[])
        .output(output, FLOAT, &[shape[0], labels])
        .model()
}
