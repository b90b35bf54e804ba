/**
 * `Symbol.dispose` and `Symbol.asyncDispose`, which Node has from 20.5 on: defined here where they are missing,
 * so that `using` and `await using`, compiled for older targets, find the methods.
 */
for (const name of ["dispose", "asyncDispose"] as const) {
  if (Symbol[name] === undefined) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });
}
export {};
