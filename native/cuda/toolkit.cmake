# The CUDA toolkit as GGML's CUDA backend is to find it: the runtime linked statically, and cuBLAS opened when it
# is first used (cublas_loader.cpp), so that the addon loads on machines that have neither.
#
# GGML asks for CUDA::cudart and CUDA::cublas. What is defined before find_package(CUDAToolkit) it leaves alone.

set(GGML_TRANSFORMERS_CUDA_ARCHITECTURES "90" CACHE STRING
    "GPU architectures, as for CMAKE_CUDA_ARCHITECTURES: each costs half an hour of processor time")
option(GGML_TRANSFORMERS_CUDA_FLASH_ATTENTION "Compile GGML's flash attention, which takes as long again" OFF)

add_library(CUDA::cudart INTERFACE IMPORTED)
add_library(CUDA::cublas INTERFACE IMPORTED)
find_package(CUDAToolkit 12.4 REQUIRED)

add_library(ggml_transformers_cublas STATIC ${CMAKE_CURRENT_LIST_DIR}/cublas_loader.cpp)
set_target_properties(ggml_transformers_cublas PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
target_include_directories(ggml_transformers_cublas PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_include_directories(ggml_transformers_cublas SYSTEM PUBLIC ${CUDAToolkit_INCLUDE_DIRS})
target_link_libraries(ggml_transformers_cublas PRIVATE ${CMAKE_DL_LIBS})

target_link_libraries(CUDA::cudart INTERFACE CUDA::cudart_static)
target_link_libraries(CUDA::cublas INTERFACE ggml_transformers_cublas)

set(CMAKE_CUDA_ARCHITECTURES ${GGML_TRANSFORMERS_CUDA_ARCHITECTURES})
set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE} CACHE FILEPATH "The toolkit's compiler")
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)

# Sums in one fixed memory pool suffice; virtual memory management would link the driver, which may be absent.
ggml_option(GGML_CUDA_NO_VMM ON)
ggml_option(GGML_CUDA_NCCL OFF)
ggml_option(GGML_CUDA_GRAPHS ON)
ggml_option(GGML_CUDA_FA ${GGML_TRANSFORMERS_CUDA_FLASH_ATTENTION})
