// Speed of every kernel on one core, beside the measured peak of its instruction.
#pragma once

namespace kernel_check {

void run_bench();

}  // namespace kernel_check
