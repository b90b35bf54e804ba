/** Every public name says what it is: the reference of the site is made of these comments. */
import { join } from "node:path";
import ts from "typescript";
import { expect, it } from "vitest";
import { ROOT } from "../cli/run-cli.js";

const LIB = join(ROOT, "lib").replaceAll("\\", "/");

it("has a comment for every export of the package, and for every member of it", () => {
  const config = ts.readConfigFile(join(ROOT, "tsconfig.json"), ts.sys.readFile).config as object;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const program = ts.createProgram([join(LIB, "index.ts")], options);
  const checker = program.getTypeChecker();
  const index = checker.getSymbolAtLocation(program.getSourceFile(join(LIB, "index.ts"))!)!;
  const names = checker.getExportsOfModule(index).map((symbol) => ({
    name: symbol.getName(),
    symbol: symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
  }));
  expect(names.length).toBeGreaterThan(100);
  const undocumented: string[] = [];
  for (const { name, symbol } of names) {
    if (!isDocumented(symbol, checker)) undocumented.push(name);
    for (const member of membersOf(symbol, checker)) {
      if (!isDocumented(member, checker)) undocumented.push(`${name}.${member.getName()}`);
    }
  }
  expect(undocumented).toEqual([]);
}, 300_000);

/** Properties and methods that the package itself declares for its users. */
function membersOf(symbol: ts.Symbol, checker: ts.TypeChecker): ts.Symbol[] {
  const types = [];
  if (symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias)) {
    const type = checker.getDeclaredTypeOfSymbol(symbol);
    types.push(...(type.isUnion() ? type.types : [type]));
  }
  if (symbol.flags & ts.SymbolFlags.Class) types.push(checker.getTypeOfSymbol(symbol));
  return types
    .filter((type) => !(type.flags & ts.TypeFlags.StringLike))
    .flatMap((type) => checker.getPropertiesOfType(type))
    .filter((member) => member.declarations?.some(isPublic) ?? false);
}

function isPublic(declaration: ts.Declaration): boolean {
  const isOurs = declaration.getSourceFile().fileName.startsWith(LIB);
  const name = ts.getNameOfDeclaration(declaration);
  const isPrivate =
    ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Private ||
    (name && ts.isPrivateIdentifier(name));
  return (
    isOurs && !isPrivate && !ts.getJSDocTags(declaration).some(({ tagName }) => tagName.text === "internal")
  );
}

function isDocumented(symbol: ts.Symbol, checker: ts.TypeChecker): boolean {
  return symbol.getDocumentationComment(checker).length > 0;
}
