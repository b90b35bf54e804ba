/**
 * Defines `Symbol.dispose` and `Symbol.asyncDispose` where they are missing (Node before 20.5), so that classes
 * declared afterwards have the methods that `using` and `await using`, compiled for older targets, look for.
 */
export function defineDisposeSymbols(): void {
  for (const name of ["dispose", "asyncDispose"] as const) {
    if (Symbol[name] === undefined) Object.defineProperty(Symbol, name, { value: Symbol(`Symbol.${name}`) });
  }
}
