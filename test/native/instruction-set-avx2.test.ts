import { testInstructionSet } from "./instruction-sets.js";

await testInstructionSet("avx2");
