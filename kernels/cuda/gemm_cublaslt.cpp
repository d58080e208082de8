// Products of matrices by cuBLASLt.
#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <map>
#include <tuple>

#include "kernels/cuda/cuda_libraries.hpp"

namespace moesaic::cuda {
namespace {

/// One shape as cuBLASLt sees it. Its matrices are column-major, so y^T[n, m] = (w^T)^T x^T is computed.
struct Product {
  cublasLtMatmulDesc_t description = nullptr;
  cublasLtMatrixLayout_t w = nullptr, x = nullptr, y = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
};

struct Formats {
  cudaDataType_t in, out;
  cublasComputeType_t compute;
  cudaDataType_t scale;
};

bool formats_of(DType dtype, Formats& formats) {
  switch (dtype) {
    case DType::fp32:
      formats = {CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F};
      return true;
    case DType::fp16:
      formats = {CUDA_R_16F, CUDA_R_16F, CUBLAS_COMPUTE_32F, CUDA_R_32F};
      return true;
    case DType::bf16:
      formats = {CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_32F};
      return true;
    case DType::fp8:
      formats = {CUDA_R_8F_E4M3, CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_32F};
      return true;
    case DType::int8:
      formats = {CUDA_R_8I, CUDA_R_32I, CUBLAS_COMPUTE_32I, CUDA_R_32I};
      return true;
    default:
      return false;
  }
}

using Shape = std::tuple<DType, int, int, int, int, std::uint64_t>;

}  // namespace

struct GemmLibrary::State {
  SharedLibrary library = load_cuda_library("libcublasLt.so", CUBLAS_VER_MAJOR);
  decltype(cublasLtCreate)* create = nullptr;
  decltype(cublasLtDestroy)* destroy = nullptr;
  decltype(cublasLtGetStatusString)* text = nullptr;
  decltype(cublasLtMatmul)* matmul = nullptr;
  decltype(cublasLtMatmulAlgoGetHeuristic)* choose = nullptr;
  decltype(cublasLtMatmulDescCreate)* create_description = nullptr;
  decltype(cublasLtMatmulDescDestroy)* destroy_description = nullptr;
  decltype(cublasLtMatmulDescSetAttribute)* set_description = nullptr;
  decltype(cublasLtMatrixLayoutCreate)* create_layout = nullptr;
  decltype(cublasLtMatrixLayoutDestroy)* destroy_layout = nullptr;
  decltype(cublasLtMatrixLayoutSetAttribute)* set_layout = nullptr;
  decltype(cublasLtMatmulPreferenceCreate)* create_preference = nullptr;
  decltype(cublasLtMatmulPreferenceDestroy)* destroy_preference = nullptr;
  decltype(cublasLtMatmulPreferenceSetAttribute)* set_preference = nullptr;
  cublasLtHandle_t handle = nullptr;
  float* one = nullptr;  ///< on the device: the scale of fp8 operands
  std::map<Shape, Product> products;

  ~State() {
    for (const auto& [shape, product] : products) {
      release(product);
    }
    if (handle != nullptr) {
      destroy(handle);
    }
    cudaFree(one);
  }

  bool find_functions() {
    return library.find("cublasLtCreate", create) && library.find("cublasLtDestroy", destroy) &&
           library.find("cublasLtGetStatusString", text) && library.find("cublasLtMatmul", matmul) &&
           library.find("cublasLtMatmulAlgoGetHeuristic", choose) &&
           library.find("cublasLtMatmulDescCreate", create_description) &&
           library.find("cublasLtMatmulDescDestroy", destroy_description) &&
           library.find("cublasLtMatmulDescSetAttribute", set_description) &&
           library.find("cublasLtMatrixLayoutCreate", create_layout) &&
           library.find("cublasLtMatrixLayoutDestroy", destroy_layout) &&
           library.find("cublasLtMatrixLayoutSetAttribute", set_layout) &&
           library.find("cublasLtMatmulPreferenceCreate", create_preference) &&
           library.find("cublasLtMatmulPreferenceDestroy", destroy_preference) &&
           library.find("cublasLtMatmulPreferenceSetAttribute", set_preference);
  }

  Status status(cublasStatus_t status, const char* function) const {
    if (status == CUBLAS_STATUS_SUCCESS) {
      return {};
    }
    const std::string what = std::string(function) + ": " + text(status);
    if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) {
      return {static_cast<int>(error), what + ", " + cudaGetErrorString(error)};
    }
    const cudaError_t alike = status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_ARCH_MISMATCH
                                  ? cudaErrorNotSupported
                              : status == CUBLAS_STATUS_ALLOC_FAILED ? cudaErrorMemoryAllocation
                                                                     : cudaErrorInvalidValue;
    return {static_cast<int>(alike), what};
  }

  Status load() {
    if (handle != nullptr) {
      return {};
    }
    if (!find_functions()) {
      return {static_cast<int>(cudaErrorNotSupported),
              "there is no libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR) + " here"};
    }
    if (one == nullptr) {
      const float value = 1;
      if (const cudaError_t error = cudaMalloc(reinterpret_cast<void**>(&one), sizeof value); error != cudaSuccess) {
        return status_of(error);
      }
      if (const cudaError_t error = cudaMemcpy(one, &value, sizeof value, cudaMemcpyHostToDevice);
          error != cudaSuccess) {
        return status_of(error);
      }
    }
    return status(create(&handle), "cublasLtCreate");
  }

  void release(const Product& product) const {
    for (cublasLtMatrixLayout_t layout : {product.w, product.x, product.y}) {
      if (layout != nullptr) {
        destroy_layout(layout);
      }
    }
    if (product.description != nullptr) {
      destroy_description(product.description);
    }
  }

  template <class Attribute, class Value>
  bool describe(const Product& product, Attribute attribute, Value value) const {
    return set_description(product.description, attribute, &value, sizeof value) == CUBLAS_STATUS_SUCCESS;
  }

  bool lay_out(cublasLtMatrixLayout_t& layout, cudaDataType_t type, int rows, int columns, int batch) const {
    if (create_layout(&layout, type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), rows) !=
        CUBLAS_STATUS_SUCCESS) {
      return false;
    }
    const std::int64_t stride = std::int64_t{rows} * columns;
    return batch == 1 ||
           (set_layout(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch) == CUBLAS_STATUS_SUCCESS &&
            set_layout(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride) ==
                CUBLAS_STATUS_SUCCESS);
  }

  bool prepare(const GemmWork& work, const Formats& formats, Product& product) const {
    if (create_description(&product.description, formats.compute, formats.scale) != CUBLAS_STATUS_SUCCESS) {
      return false;
    }
    // Engines let Hopper add up fp8 products in fewer bits, without which it does not reach its peak rate.
    constexpr std::int8_t kFast = 1;
    const bool scaled = work.dtype != DType::fp8 || (describe(product, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, one) &&
                                                     describe(product, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, one) &&
                                                     describe(product, CUBLASLT_MATMUL_DESC_FAST_ACCUM, kFast));
    return scaled && describe(product, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T) &&
           describe(product, CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N) &&
           lay_out(product.w, formats.in, work.k, work.n, work.batch) &&
           lay_out(product.x, formats.in, work.k, work.m, work.batch) &&
           lay_out(product.y, formats.out, work.n, work.m, work.batch);
  }

  Status choose_algorithm(const GemmWork& work, Product& product) const {
    cublasLtMatmulPreference_t preference = nullptr;
    if (const cublasStatus_t made = create_preference(&preference); made != CUBLAS_STATUS_SUCCESS) {
      return status(made, "cublasLtMatmulPreferenceCreate");
    }
    const std::size_t workspace = work.workspace_bytes;
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    cublasStatus_t chosen =
        set_preference(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace);
    if (chosen == CUBLAS_STATUS_SUCCESS) {
      chosen = choose(handle, product.description, product.w, product.x, product.y, product.y, preference, 1, &result,
                      &found);
    }
    destroy_preference(preference);
    if (chosen == CUBLAS_STATUS_SUCCESS && found == 0) {
      chosen = CUBLAS_STATUS_NOT_SUPPORTED;
    }
    product.algorithm = result.algo;
    return status(chosen, "cublasLtMatmulAlgoGetHeuristic");
  }

  /// The product for this shape; null, and why, where there is none.
  const Product* find(const GemmWork& work, const Formats& formats, Status& why) {
    const Shape shape{work.dtype, work.m, work.n, work.k, work.batch, work.workspace_bytes};
    if (const auto known = products.find(shape); known != products.end()) {
      return &known->second;
    }
    Product product;
    why = prepare(work, formats, product)
              ? choose_algorithm(work, product)
              : Status{static_cast<int>(cudaErrorNotSupported), "cuBLASLt cannot describe this product"};
    if (!why.ok()) {
      release(product);
      return nullptr;
    }
    return &products.emplace(shape, product).first->second;
  }
};

GemmLibrary::GemmLibrary() = default;
GemmLibrary::~GemmLibrary() = default;

Status GemmLibrary::multiply(const GemmWork& work, StreamHandle stream) {
  Formats formats{};
  if (!formats_of(work.dtype, formats)) {
    return {static_cast<int>(cudaErrorNotSupported), "no products in " + std::string(name(work.dtype))};
  }
  if (!state_) {
    state_ = std::make_unique<State>();
  }
  if (Status loaded = state_->load(); !loaded.ok()) {
    return loaded;
  }
  Status why;
  const Product* product = state_->find(work, formats, why);
  if (product == nullptr) {
    return why;
  }
  const float one = 1, zero = 0;
  const std::int32_t int_one = 1, int_zero = 0;
  const bool integers = work.dtype == DType::int8;
  const void* alpha = integers ? static_cast<const void*>(&int_one) : &one;
  const void* beta = integers ? static_cast<const void*>(&int_zero) : &zero;
  return state_->status(state_->matmul(state_->handle, product->description, alpha, work.w, product->w, work.x,
                                       product->x, beta, work.y, product->y, work.y, product->y, &product->algorithm,
                                       work.workspace, work.workspace_bytes, static_cast<cudaStream_t>(stream)),
                        "cublasLtMatmul");
}

}  // namespace moesaic::cuda
