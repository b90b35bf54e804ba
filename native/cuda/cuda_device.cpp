#include "cuda/cuda_device.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace ggml_transformers {

namespace {

std::string dotted(int version) { return std::to_string(version / 10) + "." + std::to_string(version % 10); }

// The oldest of the architectures in the build's list, for example "75-virtual;90".
int oldest_built() {
    std::istringstream list(GGML_TRANSFORMERS_CUDA);
    int oldest = 0;
    for (std::string each; std::getline(list, each, ',');) {
        const int version = std::atoi(each.c_str());
        oldest = oldest == 0 ? version : std::min(oldest, version);
    }
    return oldest;
}

}  // namespace

std::string CudaCapability::name() const { return version == 0 ? "unknown" : dotted(version); }

bool CudaCapability::is_supported() const { return version >= oldest_built(); }

std::string CudaCapability::refusal() const {
    return "its compute capability is " + name() + ", and this build needs " + dotted(oldest_built()) +
           " or newer. Build the CUDA addon for it: npm run build:cuda -- --cuda-architectures=" +
           (version == 0 ? std::string("VERSION") : std::to_string(version));
}

CudaCapability cuda_capability(ggml_backend_dev_t device) {
    const int index = std::atoi(ggml_backend_dev_name(device) + std::strlen("CUDA"));
    int major = 0, minor = 0;
    if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index) != cudaSuccess) return {};
    if (cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index) != cudaSuccess) return {};
    return {major * 10 + minor};
}

}  // namespace ggml_transformers
