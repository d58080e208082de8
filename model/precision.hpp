// Choosing how tensors are stored, beside what the checkpoint says.
#pragma once

#include <string>
#include <string_view>

#include "model/architecture.hpp"

namespace moesaic {

/// Every class of projection and expert weights stored as `type`; embeddings as they are. The arithmetic follows: fp8
/// and int8 run in their own format, 4-bit floating point weights with group scales (nvfp4) in fp4, other narrow
/// weights are widened to bf16.
Precision with_weights(Precision precision, StorageType type);

/// Applies "weights=fp8,kv=bf16,activations=bf16,experts=int4,attention=...,dense=...,embedding=...,state=fp32"; the
/// classes of weights override `weights`, in any order. Throws UserError naming the nearest class or type.
Precision parse_precision(std::string_view text, Precision base);

/// "weights=bf16,kv=bf16", classes that differ named.
std::string to_text(const Precision& precision);

}  // namespace moesaic
