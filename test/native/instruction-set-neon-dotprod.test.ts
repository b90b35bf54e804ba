import { testInstructionSet } from "./instruction-sets.js";

await testInstructionSet("neon-dotprod");
