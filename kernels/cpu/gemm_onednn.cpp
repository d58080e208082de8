// Products by oneDNN 2, in every format that it has fast code for on this machine.
#include "kernels/cpu/gemm_libraries.hpp"

#ifdef MOESAIC_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#endif

#if defined(MOESAIC_ONEDNN) && DNNL_VERSION_MAJOR == 2  // version 3 describes products by other functions

#include <array>
#include <map>
#include <stdexcept>

#include "base/shared_library.hpp"

namespace moesaic::cpu {
namespace {

/// The functions of its C interface that are used here.
struct OneDnn {
  SharedLibrary library{"libdnnl.so.2"};
  decltype(dnnl_engine_create)* engine_create = nullptr;
  decltype(dnnl_engine_destroy)* engine_destroy = nullptr;
  decltype(dnnl_stream_create)* stream_create = nullptr;
  decltype(dnnl_stream_destroy)* stream_destroy = nullptr;
  decltype(dnnl_stream_wait)* stream_wait = nullptr;
  decltype(dnnl_memory_desc_init_by_tag)* layout = nullptr;
  decltype(dnnl_memory_desc_get_size)* layout_size = nullptr;
  decltype(dnnl_memory_create)* memory_create = nullptr;
  decltype(dnnl_memory_destroy)* memory_destroy = nullptr;
  decltype(dnnl_matmul_desc_init)* matmul = nullptr;
  decltype(dnnl_reorder_primitive_desc_create)* reorder = nullptr;
  decltype(dnnl_primitive_desc_create)* desc_create = nullptr;
  decltype(dnnl_primitive_desc_destroy)* desc_destroy = nullptr;
  decltype(dnnl_primitive_desc_query)* query = nullptr;
  decltype(dnnl_primitive_desc_query_md)* query_layout = nullptr;
  decltype(dnnl_primitive_create)* primitive_create = nullptr;
  decltype(dnnl_primitive_destroy)* primitive_destroy = nullptr;
  decltype(dnnl_primitive_execute)* execute = nullptr;
  void (*set_threads)(int) = nullptr;  ///< of the OpenMP runtime that it uses

  bool load() {
    return library.find("dnnl_engine_create", engine_create) && library.find("dnnl_engine_destroy", engine_destroy) &&
           library.find("dnnl_stream_create", stream_create) && library.find("dnnl_stream_destroy", stream_destroy) &&
           library.find("dnnl_stream_wait", stream_wait) && library.find("dnnl_memory_desc_init_by_tag", layout) &&
           library.find("dnnl_memory_desc_get_size", layout_size) &&
           library.find("dnnl_memory_create", memory_create) && library.find("dnnl_memory_destroy", memory_destroy) &&
           library.find("dnnl_matmul_desc_init", matmul) &&
           library.find("dnnl_reorder_primitive_desc_create", reorder) &&
           library.find("dnnl_primitive_desc_create", desc_create) &&
           library.find("dnnl_primitive_desc_destroy", desc_destroy) &&
           library.find("dnnl_primitive_desc_query", query) &&
           library.find("dnnl_primitive_desc_query_md", query_layout) &&
           library.find("dnnl_primitive_create", primitive_create) &&
           library.find("dnnl_primitive_destroy", primitive_destroy) &&
           library.find("dnnl_primitive_execute", execute) && library.find("omp_set_num_threads", set_threads);
  }
};

void check(dnnl_status_t status, const char* what) {
  if (status != dnnl_success) {
    throw std::runtime_error("oneDNN: " + std::string(what) + " failed with status " + std::to_string(status));
  }
}

/// Makes an object of the library that frees itself.
template <class Handle, class Destroy, class Create>
std::shared_ptr<Handle> own(const char* what, Destroy destroy, const Create& create) {
  Handle* handle = nullptr;
  check(create(&handle), what);
  return std::shared_ptr<Handle>(handle, destroy);
}

dnnl_memory_desc_t layout(const OneDnn& dnnl, int rows, int columns, dnnl_data_type_t type, dnnl_format_tag_t tag) {
  const dnnl_dims_t dims = {rows, columns};
  dnnl_memory_desc_t layout;
  check(dnnl.layout(&layout, 2, dims, type, tag), "a layout");
  return layout;
}

// T: of an element of x and W. Y: of y.
template <class T, class Y>
class OneDnnKernel final : public GemmKernel {
 public:
  OneDnnKernel(const OneDnn& dnnl, const GemmProblem& problem, const Threads& threads, dnnl_data_type_t type,
               dnnl_data_type_t sum_type)
      : dnnl_(dnnl),
        problem_(problem),
        threads_(threads.count()),
        type_(type),
        sum_type_(sum_type),
        x_(gemm_inputs<T>(problem, threads)),
        w_(gemm_weights<T>(problem, threads)),
        y_(static_cast<std::size_t>(problem.most_m) * static_cast<std::size_t>(problem.n)) {
    engine_ = own<dnnl_engine>("an engine", dnnl_.engine_destroy,
                               [&](auto* out) { return dnnl_.engine_create(out, dnnl_cpu, 0); });
    stream_ = own<dnnl_stream>("a stream", dnnl_.stream_destroy, [&](auto* out) {
      return dnnl_.stream_create(out, engine_.get(), dnnl_stream_default_flags);
    });
  }

  void prepare(int m) override {
    m_ = m;
    dnnl_.set_threads(threads_);
    const dnnl_memory_desc_t x = layout(dnnl_, m, problem_.k, type_, dnnl_ab);
    const dnnl_memory_desc_t any = layout(dnnl_, problem_.k, problem_.n, type_, dnnl_format_tag_any);
    const dnnl_memory_desc_t y = layout(dnnl_, m, problem_.n, sum_type_, dnnl_ab);
    dnnl_matmul_desc_t product;
    check(dnnl_.matmul(&product, &x, &any, nullptr, &y), "describing a product");
    const auto desc = own<dnnl_primitive_desc>("choosing a kernel", dnnl_.desc_destroy, [&](auto* out) {
      return dnnl_.desc_create(out, &product, nullptr, engine_.get(), nullptr);
    });
    const char* chosen = nullptr;
    check(dnnl_.query(desc.get(), dnnl_query_impl_info_str, 0, static_cast<void*>(&chosen)), "naming a kernel");
    implementation_ = chosen;
    primitive_ = own<dnnl_primitive>("making a kernel", dnnl_.primitive_destroy,
                                     [&](auto* out) { return dnnl_.primitive_create(out, desc.get()); });
    x_memory_ = memory(x, x_.data());
    y_memory_ = memory(y, y_.data());
    pack(*dnnl_.query_layout(desc.get(), dnnl_query_weights_md, 0));
  }

  void run() override {
    copy_ = (copy_ + 1) % problem_.copies;
    execute(primitive_.get(), {{DNNL_ARG_SRC, x_memory_.get()},
                               {DNNL_ARG_WEIGHTS, packed_memory_[static_cast<std::size_t>(copy_)].get()},
                               {DNNL_ARG_DST, y_memory_.get()}});
  }

  std::vector<float> output() const override {
    std::vector<float> values;
    for (std::size_t i = 0; i < static_cast<std::size_t>(m_) * static_cast<std::size_t>(problem_.n); ++i) {
      if constexpr (std::is_same_v<Y, Bf16>) {
        values.push_back(to_float(y_[i]));
      } else {
        values.push_back(static_cast<float>(y_[i]));
      }
    }
    return values;
  }
  int copy() const override { return copy_; }

  /// oneDNN's name of the code it chose: "brg:avx512_core_amx_bf16", "gemm:jit", "ref:any".
  const std::string& implementation() const { return implementation_; }

 private:
  using Memory = std::shared_ptr<dnnl_memory>;

  Memory memory(const dnnl_memory_desc_t& desc, void* data) {
    return own<dnnl_memory>("memory", dnnl_.memory_destroy,
                            [&](auto* out) { return dnnl_.memory_create(out, &desc, engine_.get(), data); });
  }

  void execute(dnnl_primitive_t primitive, const std::vector<dnnl_exec_arg_t>& arguments) {
    check(dnnl_.execute(primitive, stream_.get(), static_cast<int>(arguments.size()), arguments.data()), "a kernel");
    check(dnnl_.stream_wait(stream_.get()), "waiting for a kernel");
  }

  // Every copy of the weights in the layout that the kernel wants, as inference programs keep them.
  void pack(const dnnl_memory_desc_t& wanted) {
    const dnnl_memory_desc_t plain = layout(dnnl_, problem_.k, problem_.n, type_, dnnl_ba);
    const auto desc = own<dnnl_primitive_desc>("choosing a packing", dnnl_.desc_destroy, [&](auto* out) {
      return dnnl_.reorder(out, &plain, engine_.get(), &wanted, engine_.get(), nullptr);
    });
    const auto packing = own<dnnl_primitive>("making a packing", dnnl_.primitive_destroy,
                                             [&](auto* out) { return dnnl_.primitive_create(out, desc.get()); });
    const std::size_t bytes = dnnl_.layout_size(&wanted);
    const auto elements = static_cast<std::size_t>(problem_.n) * static_cast<std::size_t>(problem_.k);
    packed_memory_.clear();
    packed_.clear();
    for (std::size_t copy = 0; copy < static_cast<std::size_t>(problem_.copies); ++copy) {
      packed_.emplace_back(bytes);
      packed_memory_.push_back(memory(wanted, packed_.back().data()));
      const Memory from = memory(plain, w_.data() + copy * elements);
      execute(packing.get(), {{DNNL_ARG_FROM, from.get()}, {DNNL_ARG_TO, packed_memory_.back().get()}});
    }
  }

  OneDnn dnnl_;
  GemmProblem problem_;
  int threads_;
  dnnl_data_type_t type_, sum_type_;
  Buffer<T> x_, w_;
  Buffer<Y> y_;
  std::shared_ptr<dnnl_engine> engine_;
  std::shared_ptr<dnnl_stream> stream_;
  std::shared_ptr<dnnl_primitive> primitive_;
  std::string implementation_;
  std::vector<Buffer<std::uint8_t>> packed_;
  std::vector<Memory> packed_memory_;
  Memory x_memory_, y_memory_;
  int m_ = 1;
  int copy_ = -1;
};

template <class Visit>
auto with_kernel(const OneDnn& dnnl, DType dtype, const GemmProblem& problem, const Threads& threads,
                 const Visit& visit) {
  switch (dtype) {
    case DType::fp32:
      return visit(std::make_unique<OneDnnKernel<float, float>>(dnnl, problem, threads, dnnl_f32, dnnl_f32));
    case DType::bf16:
      return visit(std::make_unique<OneDnnKernel<Bf16, Bf16>>(dnnl, problem, threads, dnnl_bf16, dnnl_bf16));
    case DType::int8:
      return visit(
          std::make_unique<OneDnnKernel<std::int8_t, std::int32_t>>(dnnl, problem, threads, dnnl_s8, dnnl_s32));
    default:
      throw std::runtime_error("oneDNN has no products of " + std::string(name(dtype)));
  }
}

/// Of a small product; empty if there is none.
std::string implementation(const OneDnn& dnnl, DType dtype) {
  try {
    static constexpr GemmProblem kSmall{.n = 64, .k = 64, .most_m = 8};
    return with_kernel(dnnl, dtype, kSmall, Threads(1), [](auto kernel) {
      kernel->prepare(kSmall.most_m);
      return kernel->implementation();
    });
  } catch (const std::runtime_error&) {
    return "";
  }
}

class OneDnnPlain final : public PlainProduct {
 public:
  OneDnnPlain(const OneDnn& dnnl, dnnl_data_type_t type, const Threads& threads)
      : dnnl_(dnnl), type_(type), threads_(threads.count()) {
    engine_ = own<dnnl_engine>("an engine", dnnl_.engine_destroy,
                               [&](auto* out) { return dnnl_.engine_create(out, dnnl_cpu, 0); });
    stream_ = own<dnnl_stream>("a stream", dnnl_.stream_destroy, [&](auto* out) {
      return dnnl_.stream_create(out, engine_.get(), dnnl_stream_default_flags);
    });
  }

  void run(const void* x, const void* w, float* y, int m, int n, int k) override {
    dnnl_.set_threads(threads_);
    const Made& made = made_.contains({m, n, k}) ? *made_[{m, n, k}] : make(m, n, k);
    // The library takes what it only reads without const.
    const auto in = memory(made.x, const_cast<void*>(x)), weights = memory(made.w, const_cast<void*>(w));  // NOLINT
    const auto out = memory(made.y, y);
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, in.get()}, {DNNL_ARG_WEIGHTS, weights.get()}, {DNNL_ARG_DST, out.get()}};
    check(dnnl_.execute(made.primitive.get(), stream_.get(), 3, arguments), "a product");
    check(dnnl_.stream_wait(stream_.get()), "waiting for a product");
  }

  /// Whether it is more than reference code.
  bool is_fast() { return !make(64, 64, 64).implementation.starts_with("ref"); }

 private:
  struct Made {
    dnnl_memory_desc_t x, w, y;
    std::shared_ptr<dnnl_primitive> primitive;
    std::string implementation;
  };

  const Made& make(int m, int n, int k) {
    Made made{layout(dnnl_, m, k, type_, dnnl_ab), layout(dnnl_, k, n, type_, dnnl_ba),
              layout(dnnl_, m, n, dnnl_f32, dnnl_ab), nullptr, ""};
    dnnl_matmul_desc_t product;
    check(dnnl_.matmul(&product, &made.x, &made.w, nullptr, &made.y), "describing a product");
    const auto desc = own<dnnl_primitive_desc>("choosing a kernel", dnnl_.desc_destroy, [&](auto* out) {
      return dnnl_.desc_create(out, &product, nullptr, engine_.get(), nullptr);
    });
    const char* chosen = nullptr;
    check(dnnl_.query(desc.get(), dnnl_query_impl_info_str, 0, static_cast<void*>(&chosen)), "naming a kernel");
    made.implementation = chosen;
    made.primitive = own<dnnl_primitive>("making a kernel", dnnl_.primitive_destroy,
                                         [&](auto* out) { return dnnl_.primitive_create(out, desc.get()); });
    return *(made_[{m, n, k}] = std::make_unique<Made>(std::move(made)));
  }

  std::shared_ptr<dnnl_memory> memory(const dnnl_memory_desc_t& desc, void* data) {
    return own<dnnl_memory>("memory", dnnl_.memory_destroy,
                            [&](auto* out) { return dnnl_.memory_create(out, &desc, engine_.get(), data); });
  }

  OneDnn dnnl_;
  dnnl_data_type_t type_;
  int threads_;
  std::shared_ptr<dnnl_engine> engine_;
  std::shared_ptr<dnnl_stream> stream_;
  std::map<std::array<int, 3>, std::unique_ptr<Made>> made_;
};

}  // namespace

std::unique_ptr<PlainProduct> plain_product(DType storage, const Threads& threads) {
  OneDnn dnnl;
  if (!dnnl.load()) {
    return nullptr;
  }
  try {
    auto product = std::make_unique<OneDnnPlain>(dnnl, storage == DType::bf16 ? dnnl_bf16 : dnnl_f32, threads);
    return product->is_fast() ? std::move(product) : nullptr;
  } catch (const std::runtime_error&) {  // not in this format
    return nullptr;
  }
}

std::optional<GemmLibrary> gemm_onednn() {
  OneDnn dnnl;
  if (!dnnl.load()) {
    return std::nullopt;
  }
  GemmLibrary library{.name = "onednn", .formats = {}, .notes = {}, .make = {}};
  for (const DType dtype : {DType::fp32, DType::bf16, DType::int8}) {
    const std::string code = implementation(dnnl, dtype);
    if (code.empty() || code.starts_with("ref")) {
      library.notes.push_back("oneDNN has only reference code for " + std::string(name(dtype)) + " on this processor");
    } else {
      library.formats.push_back(dtype);
    }
  }
  library.make = [dnnl](DType dtype, const GemmProblem& problem, const Threads& threads) {
    return with_kernel(dnnl, dtype, problem, threads,
                       [](auto kernel) -> std::unique_ptr<GemmKernel> { return kernel; });
  };
  return library;
}

}  // namespace moesaic::cpu

#else

namespace moesaic::cpu {
std::optional<GemmLibrary> gemm_onednn() { return std::nullopt; }
std::unique_ptr<PlainProduct> plain_product(DType, const Threads&) { return nullptr; }
}  // namespace moesaic::cpu

#endif
