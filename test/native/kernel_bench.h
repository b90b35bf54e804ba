// Speed of every kernel on one core, beside the measured peak of its instruction.
#pragma once

#include <string>

namespace kernel_check {

// Prints a line of JSON for each measurement. Only of one instruction set when `isa` names it.
void run_bench(const std::string& isa);

// Prints what the machine can do at most with that many threads at once, a line for each instruction set.
void run_peaks(int threads);

}  // namespace kernel_check
