// The part of ONNX's protocol-buffer format that is written here: names, numbers and types of the fields are those of
// the ONNX specification (IR version 8).
import protobuf from "protobufjs";

const field = (id, type, rule) => ({ id, type, ...(rule && { rule }) });
const many = (id, type) => field(id, type, "repeated");
const message = (fields) => ({ fields });

const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: message({
      irVersion: field(1, "int64"),
      producerName: field(2, "string"),
      graph: field(7, "GraphProto"),
      opsetImport: many(8, "OperatorSetIdProto"),
    }),
    OperatorSetIdProto: message({ domain: field(1, "string"), version: field(2, "int64") }),
    GraphProto: message({
      node: many(1, "NodeProto"),
      name: field(2, "string"),
      initializer: many(5, "TensorProto"),
      input: many(11, "ValueInfoProto"),
      output: many(12, "ValueInfoProto"),
    }),
    NodeProto: message({
      input: many(1, "string"),
      output: many(2, "string"),
      name: field(3, "string"),
      opType: field(4, "string"),
      attribute: many(5, "AttributeProto"),
      domain: field(7, "string"),
    }),
    AttributeProto: message({
      name: field(1, "string"),
      f: field(2, "float"),
      i: field(3, "int64"),
      ints: { ...many(8, "int64"), options: { packed: false } },
      type: field(20, "int32"),
    }),
    TensorProto: message({
      dims: { ...many(1, "int64"), options: { packed: false } },
      dataType: field(2, "int32"),
      name: field(8, "string"),
      rawData: field(9, "bytes"),
      externalData: many(13, "StringStringEntryProto"),
      dataLocation: field(14, "int32"),
    }),
    StringStringEntryProto: message({ key: field(1, "string"), value: field(2, "string") }),
    ValueInfoProto: message({ name: field(1, "string"), type: field(2, "TypeProto") }),
    TypeProto: message({ tensorType: field(1, "TypeProtoTensor") }),
    TypeProtoTensor: message({ elemType: field(1, "int32"), shape: field(2, "TensorShapeProto") }),
    TensorShapeProto: message({ dim: many(1, "Dimension") }),
    Dimension: message({ dimValue: field(1, "int64"), dimParam: field(2, "string") }),
  },
});

/** TensorProto.DataType. */
export const DATA_TYPE = { FLOAT: 1, INT8: 3, INT32: 6, INT64: 7 };
const EXTERNAL = 1;
const ATTRIBUTE = { FLOAT: 1, INT: 2, INTS: 7 };
const MICROSOFT = "com.microsoft";

/** A float attribute: JavaScript does not tell 1.0 from 1. */
export const float = (value) => ({ float: value });

/** A graph that grows node by node; values are known by their names. */
export class GraphBuilder {
  #nodes = [];
  #initializers = [];
  #inputs = [];
  #outputs = [];

  input(name, dataType, dims) {
    this.#inputs.push(valueInfo(name, dataType, dims));
    return name;
  }

  output(name, dataType, dims) {
    this.#outputs.push(valueInfo(name, dataType, dims));
  }

  /** A constant that lies in the file `location`. */
  external({ name, dataType, dims, location, offset, bytes }) {
    const entries = { location, offset: String(offset), length: String(bytes) };
    const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
    this.#initializers.push({ name, dataType, dims, externalData, dataLocation: EXTERNAL });
  }

  /** A constant in the graph itself. */
  constant(name, dataType, dims, values) {
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#initializers.push({ name, dataType, dims, rawData });
    return name;
  }

  /** Adds an operator; absent inputs are "". Returns the names of its outputs, as many as `outputs` says, or those it names. */
  add(opType, input, attributes = {}, { outputs = 1, domain = "" } = {}) {
    const name = `${opType}_${this.#nodes.length}`;
    const named = Array.isArray(outputs);
    const output = named ? outputs : Array.from({ length: outputs }, (_, i) => `${name}_out${i}`);
    const attribute = Object.entries(attributes).map(([key, value]) => toAttribute(key, value));
    this.#nodes.push({ name, opType, domain, input, output, attribute });
    return output;
  }

  /** Adds an operator of ONNX Runtime's own; returns the name of its first output. */
  fused(opType, input, attributes, outputs = 1) {
    return this.add(opType, input, attributes, { domain: MICROSOFT, outputs })[0];
  }

  /** The model file's bytes. */
  encode(name) {
    const model = {
      irVersion: 8,
      producerName: "ggml-transformers-bench",
      graph: {
        node: this.#nodes,
        name,
        initializer: this.#initializers,
        input: this.#inputs,
        output: this.#outputs,
      },
      opsetImport: [
        { domain: "", version: 17 },
        { domain: MICROSOFT, version: 1 },
      ],
    };
    return root.lookupType("ModelProto").encode(model).finish();
  }
}

function toAttribute(name, value) {
  if (Array.isArray(value)) return { name, type: ATTRIBUTE.INTS, ints: value };
  if (typeof value === "object") return { name, type: ATTRIBUTE.FLOAT, f: value.float };
  return { name, type: ATTRIBUTE.INT, i: value };
}

/** A number is a size, a string the name of one that is not known before the model runs. */
function valueInfo(name, elemType, dims) {
  const dim = dims.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}
