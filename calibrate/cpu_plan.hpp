// What is measured on a CPU, and in which order.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "kernels/cpu/attention.hpp"
#include "kernels/cpu/bandwidth.hpp"
#include "kernels/cpu/expert_ffn.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/processor.hpp"

namespace moesaic {

struct DispatchPoint {
  int threads = 1;
};
struct StreamPoint {
  cpu::Stream stream = cpu::Stream::read;
  std::string level;  ///< "L2", "L3", "memory"
  Bytes footprint{};
  int threads = 1;
};
struct GemmPoint {
  std::size_t library = 0;  ///< index into the libraries of the plan
  DType dtype = DType::fp32;
  cpu::GemmProblem problem;
  int m = 1;
};
struct DecodePoint {
  cpu::DecodeShape shape;
  DType storage = DType::bf16;
  int copies = 1;
};
struct ExpertPoint {
  cpu::ExpertShape shape;
  DType storage = DType::bf16;
  int tokens = 1;
};

/// Decode attention on all threads but one, beside that one, which copies weights to where an accelerator fetches them.
struct ContentionPoint {
  cpu::DecodeShape shape;
  DType storage = DType::bf16;
  int copies = 1;
  int attention_threads = 1;
  Bytes weights{};
  Bytes piece{};
};

struct CpuPoint {
  std::variant<DispatchPoint, StreamPoint, GemmPoint, DecodePoint, ExpertPoint, ContentionPoint> what;
  bool essential = false;  ///< a machine cannot be described without it: measured however little time is left
};

struct CpuPlanOptions {
  int threads = 1;
  bool quick = false;  ///< few and small points
};

/// The essential points come first. Points of one network layer stand together, so that its weights are made once.
/// Data that a network would read from memory are larger than the last cache, or used in turn so that they are.
std::vector<CpuPoint> cpu_plan(const cpu::Processor& processor, const std::vector<cpu::GemmLibrary>& libraries,
                               const CpuPlanOptions& options);

/// "gemm onednn int8 n=4096 k=4096 m=16", for people.
std::string describe(const CpuPoint& point, const std::vector<cpu::GemmLibrary>& libraries);

}  // namespace moesaic
