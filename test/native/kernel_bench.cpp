#include "kernel_bench.h"
namespace kernel_check {
void run_bench() {}
}  // namespace kernel_check
