/**
 * Every error this package throws on purpose. Each has a stable `code`, a message that says what was
 * expected and what was received, and `details` a program can read.
 */
export class GgmlTransformersError extends Error {
  /** Stable, upper-case identifier, for example `"INPUT_TOO_LONG"`. */
  readonly code: string;
  /** The offending values, by name. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }
}

/** An argument or option has the wrong type, the wrong value, or an unknown name. Code `INVALID_ARGUMENT`. */
export class InvalidArgumentError extends GgmlTransformersError {
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super("INVALID_ARGUMENT", message, details);
  }
}

/** A text has more tokens than the model or `maxLength` allows. Code `INPUT_TOO_LONG`; details `length`, `limit`. */
export class InputTooLongError extends GgmlTransformersError {
  constructor(message: string, details: { length: number; limit: number }) {
    super("INPUT_TOO_LONG", message, details);
  }
}

/**
 * A model file cannot be read: missing, truncated, corrupt or hostile. Code `MODEL_FILE_INVALID` or
 * `MODEL_FILE_NOT_FOUND`; details `path` and `field` (the header field, key or tensor at fault).
 */
export class ModelFileError extends GgmlTransformersError {
  constructor(
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    code: "MODEL_FILE_INVALID" | "MODEL_FILE_NOT_FOUND" = "MODEL_FILE_INVALID",
    options?: ErrorOptions,
  ) {
    super(code, message, details, options);
  }
}

/** The file is sound, but this package does not compute that model, type or task exactly. Code `UNSUPPORTED`. */
export class UnsupportedError extends GgmlTransformersError {
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super("UNSUPPORTED", message, details);
  }
}

/** No text at all is allowed by a `regex` or `jsonSchema`. Code `CONSTRAINT_UNSATISFIABLE`. */
export class UnsatisfiableConstraintError extends GgmlTransformersError {
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super("CONSTRAINT_UNSATISFIABLE", message, details);
  }
}

/** A tokenizer file is malformed. Code `TOKENIZER_INVALID`; details `field`. */
export class TokenizerError extends GgmlTransformersError {
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super("TOKENIZER_INVALID", message, details, options);
  }
}

/**
 * A saved session cannot be read: missing, damaged, of another version or of another model. Code
 * `SESSION_FILE_INVALID`; details `path` and `field` (the part of the file at fault).
 */
export class SessionFileError extends GgmlTransformersError {
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super("SESSION_FILE_INVALID", message, details, options);
  }
}

/** Not enough memory; details `required` and `available`, in bytes. Code `OUT_OF_MEMORY`. */
export class OutOfMemoryError extends GgmlTransformersError {
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super("OUT_OF_MEMORY", message, details);
  }
}

/** The caller's `AbortSignal` fired; its reason is the `cause`. Code `ABORTED`, name `AbortError` as on the web. */
export class AbortError extends GgmlTransformersError {
  constructor(message = "The operation was aborted", options?: ErrorOptions) {
    super("ABORTED", message, {}, options);
    this.name = "AbortError";
  }
}

/** The model, session or tokenizer was disposed. Code `DISPOSED`. */
export class DisposedError extends GgmlTransformersError {
  constructor(what: string) {
    super("DISPOSED", `${what} was disposed and can no longer be used`, { what });
  }
}

/** The native addon cannot be loaded here; details `tried` lists each path and why it failed. Code `NATIVE_UNAVAILABLE`. */
export class NativeUnavailableError extends GgmlTransformersError {
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super("NATIVE_UNAVAILABLE", message, details, options);
  }
}

/** The device asked for does not exist or cannot be used. Code `DEVICE_UNAVAILABLE`. */
export class DeviceError extends GgmlTransformersError {
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}) {
    super("DEVICE_UNAVAILABLE", message, details);
  }
}

/** The engine failed in a way that is a defect of this package: please report it. Code `INTERNAL`. */
export class InternalError extends GgmlTransformersError {
  constructor(message: string, details: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super("INTERNAL", message, details, options);
  }
}
