import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../lib/errors.js";
import {
  arrayOf,
  boolean,
  callback,
  checkOptions,
  integer,
  integers,
  nearestName,
  nonEmptyString,
  number,
  oneOf,
  signal,
  string,
} from "../../lib/options.js";

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidArgumentError);
    return (error as Error).message;
  }
  throw new Error("it did not throw");
}

describe("checkOptions", () => {
  const checks = { topK: integer(1, 10), pooling: oneOf("mean", "cls"), signal };

  it("lets known options through and leaves undefined ones out", () => {
    const controller = new AbortController();
    const given = { topK: 3, pooling: undefined, signal: controller.signal };
    expect(checkOptions(given, "embed", checks)).toEqual({ topK: 3, signal: controller.signal });
    expect(checkOptions(undefined, "embed", checks)).toEqual({});
  });

  it("names an unknown option and suggests the one that was meant", () => {
    expect(messageOf(() => checkOptions({ topk: 3 }, "embed", checks))).toBe(
      "Unknown option topk of embed. Did you mean topK?",
    );
    expect(messageOf(() => checkOptions({ poling: "cls" }, "embed", checks))).toMatch(
      "Did you mean pooling?",
    );
    expect(messageOf(() => checkOptions({ zzz: undefined }, "embed", checks))).toBe(
      "Unknown option zzz of embed. It takes topK, pooling, signal",
    );
  });

  it("does not take names of Object.prototype for options", () => {
    expect(messageOf(() => checkOptions({ toString: 1 }, "embed", checks))).toMatch(
      "Unknown option toString",
    );
    expect(messageOf(() => checkOptions(JSON.parse('{"__proto__":1}'), "embed", checks))).toMatch(
      "__proto__",
    );
  });

  it.each([[null], [5], ["topK"], [[]], [() => 1], [new Float32Array(1)]])(
    "refuses %s as options",
    (value) => {
      expect(messageOf(() => checkOptions(value, "embed", checks))).toMatch(
        "Expected an object for the options of embed but received",
      );
    },
  );
});

describe("checks", () => {
  it.each([
    [integer(1, 10), 11, "Expected an integer from 1 to 10 for x but received 11 of type number"],
    [integer(1, 10), 1.5, "Expected an integer from 1 to 10 for x but received 1.5 of type number"],
    [integer(1, 10), "3", 'Expected an integer from 1 to 10 for x but received "3" of type string'],
    [integer(1, 10), Number.NaN, "received NaN of type number"],
    [integer(0, Number.MAX_SAFE_INTEGER), -1, "Expected an integer of at least 0 for x but received -1"],
    [integer(0, Number.MAX_SAFE_INTEGER), 2n, "received 2 of type bigint"],
    [boolean, 1, "Expected true or false for x but received 1 of type number"],
    [string, null, "Expected a string for x but received null of type null"],
    [string, Symbol("s"), "received Symbol(s) of type symbol"],
    [string, Object.create(null), "received an object of type object"],
    [nonEmptyString, "", 'Expected a string that is not empty for x but received "" of type string'],
    [oneOf("a", "b"), "c", 'Expected "a" or "b" for x but received "c" of type string'],
    [signal, {}, "Expected an AbortSignal for x but received an object of type Object"],
    [callback(), "f", "Expected a function for x"],
    [number("a number above 0", (n) => n > 0), 0, "Expected a number above 0 for x but received 0"],
    [arrayOf(string, "strings"), "ab", "Expected strings for x"],
    [arrayOf(string, "strings"), ["a", 1], "Expected a string for x[1] but received 1"],
    // eslint-disable-next-line no-sparse-arrays
    [arrayOf(string, "strings"), ["a", , "b"], "Expected a string for x[1] but received undefined"],
    [integers(0, 9, "ids"), [1, 10], "Expected an integer from 0 to 9 for x[1] but received 10"],
    [integers(0, 9, "ids"), new Float32Array([0.5]), "for x[0] but received 0.5"],
    [integers(0, 9, "ids"), new BigInt64Array(1), "for x[0] but received 0 of type bigint"],
    [integers(0, 9, "ids"), "123", "Expected an array of ids for x"],
    [integers(0, 9, "ids"), { length: 1e9 }, "Expected an array of ids for x"],
  ])("%# says what was expected and received", (check, value, message) => {
    expect(messageOf(() => check(value, "x"))).toContain(message);
  });

  it("shortens what it quotes", () => {
    expect(messageOf(() => boolean("x".repeat(100_000), "x")).length).toBeLessThan(200);
  });

  it("returns what it accepts", () => {
    expect(integer(1, 10)(10, "x")).toBe(10);
    expect(integers(0, 9, "ids")(new Uint8Array([9, 0]), "x")).toEqual(Int32Array.of(9, 0));
    expect(integers(0, 9, "ids")([], "x")).toEqual(new Int32Array(0));
    expect(arrayOf(string, "strings")(["a"], "x")).toEqual(["a"]);
  });
});

describe("nearestName", () => {
  it("finds a misspelt name but no unrelated one", () => {
    expect(nearestName("temprature", ["topK", "temperature"])).toBe("temperature");
    expect(nearestName("TOPP", ["topK", "topP"])).toBe("topP");
    expect(nearestName("banana", ["topK", "temperature"])).toBeUndefined();
    expect(nearestName("x", [])).toBeUndefined();
  });
});
