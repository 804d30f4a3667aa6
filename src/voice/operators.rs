//! What a model file may hold: the operators that networks of this kind are made of, in bounded number, and nothing that
//! lies outside the file. Asked before the graph is built.

use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, tensor_proto};
use tract_onnx::prelude::*;

use super::error::ModelError;
use super::limits::{MODEL_NODES_MAX, MODEL_TENSORS_MAX};

/// ONNX operators by name. No loops, no branches, no random numbers, nothing that reads files.
const ALLOWED: &[&str] = &[
    "Abs",
    "Add",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "Div",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Gather",
    "Gelu",
    "Gemm",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LayerNormalization",
    "LeakyRelu",
    "Log",
    "MatMul",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "PRelu",
    "Pad",
    "Pow",
    "ReduceMean",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Softplus",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "Transpose",
    "Unsqueeze",
    "Where",
];

/// # Errors
///
/// Not ONNX, too many parts, an operator that is not allowed, or weights in another file.
pub(crate) fn check(file: &str, onnx: &[u8]) -> Result<(), ModelError> {
    let bad = |problem: &dyn std::fmt::Display| Err(ModelError::new(file, problem));
    let graph = match tract_onnx::onnx().proto_model_for_read(&mut &*onnx) {
        Ok(proto) => proto.graph,
        Err(error) => return bad(&format_args!("not ONNX: {error:#}")),
    };
    let Some(graph) = graph else {
        return bad(&"holds no graph");
    };
    match fault(&graph) {
        Some(problem) => bad(&problem),
        None => Ok(()),
    }
}

fn fault(graph: &GraphProto) -> Option<String> {
    if graph.node.len() > MODEL_NODES_MAX || graph.initializer.len() > MODEL_TENSORS_MAX {
        return Some(format!(
            "{} nodes and {} tensors, at most {MODEL_NODES_MAX} and {MODEL_TENSORS_MAX} may be",
            graph.node.len(),
            graph.initializer.len()
        ));
    }
    let of_nodes = graph.node.iter().flat_map(|node| &node.attribute);
    let of_nodes = of_nodes.flat_map(|attribute| attribute.t.iter().chain(&attribute.tensors));
    if graph.initializer.iter().chain(of_nodes).any(is_elsewhere) {
        return Some("keeps weights in another file".to_owned());
    }
    graph.node.iter().find_map(node_fault)
}

fn is_elsewhere(tensor: &TensorProto) -> bool {
    let external = tensor_proto::DataLocation::External as i32;
    tensor.data_location == Some(external) || !tensor.external_data.is_empty()
}

fn node_fault(node: &NodeProto) -> Option<String> {
    let name = node.op_type.as_str();
    if !matches!(node.domain.as_str(), "" | "ai.onnx") {
        let domain: String = node.domain.chars().take(40).collect();
        return Some(format!("an operator of the domain {domain:?}"));
    }
    if ALLOWED.binary_search(&name).is_err() {
        let name: String = name.chars().take(40).collect();
        return Some(format!("the operator {name:?} is not allowed"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order() {
        assert!(ALLOWED.is_sorted());
    }

    #[test]
    fn a_constant_that_lies_in_another_file_is_refused() {
        let known = include_bytes!("fixtures/tiny/trunk.onnx");
        let proto = tract_onnx::onnx().proto_model_for_read(&mut &known[..]);
        let mut graph = proto.expect("ours").graph.expect("a graph");
        assert_eq!(fault(&graph), None);
        let mut attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
        let tensor = attributes.find_map(|attribute| attribute.t.as_mut());
        tensor.expect("a constant").data_location = Some(tensor_proto::DataLocation::External as i32);
        assert!(fault(&graph).expect("a fault").contains("another file"));
    }

    #[test]
    fn a_graph_of_known_operators_passes_and_another_does_not() {
        let known = include_bytes!("fixtures/tiny/trunk.onnx");
        check("trunk.onnx", known).expect("known operators");
        let loops = include_bytes!("fixtures/recurrent.onnx");
        let text = check("trunk.onnx", loops).expect_err("an LSTM").to_string();
        assert!(text.contains("LSTM"), "{text}");
    }
}
