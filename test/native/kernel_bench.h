// Speed of every kernel on one core, beside the measured peak of its instruction.
#pragma once

#include <string>

namespace kernel_check {

// Prints a line of JSON for each measurement. Only of one instruction set when `isa` names it.
void run_bench(const std::string& isa);

}  // namespace kernel_check
