// Storage types chosen beside the checkpoint's.
#include "model/precision.hpp"

#include <gtest/gtest.h>

#include "tests/user_error.hpp"

namespace moesaic {
namespace {

TEST(ParsePrecision, SetsClasses) {
  const Precision base;
  EXPECT_EQ(parse_precision("", base), base);
  const Precision fp8 = parse_precision("weights=fp8", base);
  EXPECT_EQ(fp8.attention_weights, parse_storage_type("fp8"));
  EXPECT_EQ(fp8.dense_weights, parse_storage_type("fp8"));
  EXPECT_EQ(fp8.expert_weights, parse_storage_type("fp8"));
  EXPECT_EQ(fp8.embedding_weights, base.embedding_weights);
  EXPECT_EQ(fp8.kv, base.kv);
  EXPECT_EQ(fp8, with_weights(base, parse_storage_type("fp8")));
  const Precision mixed = parse_precision(
      "weights=fp8,experts=int4,attention=bf16,dense=int8,embedding=fp16,activations=fp8,kv=int6,state=bf16", base);
  EXPECT_EQ(mixed.expert_weights, parse_storage_type("int4"));
  EXPECT_EQ(mixed.attention_weights, parse_storage_type("bf16"));
  EXPECT_EQ(mixed.dense_weights, parse_storage_type("int8"));
  EXPECT_EQ(mixed.embedding_weights, parse_storage_type("fp16"));
  EXPECT_EQ(mixed.activations, parse_storage_type("fp8"));
  EXPECT_EQ(mixed.kv, parse_storage_type("int6"));
  EXPECT_EQ(mixed.state, parse_storage_type("bf16"));
  EXPECT_EQ(parse_precision("weights=fp8,kv=fp8", base).score_arithmetic, base.score_arithmetic);
  Precision scores = base;
  scores.score_arithmetic = DType::fp8;
  EXPECT_EQ(parse_precision("scores=fp8", base), scores);
}

TEST(ParsePrecision, OrderDoesNotMatter) {
  EXPECT_EQ(parse_precision("experts=int4,weights=fp8", {}), parse_precision("weights=fp8,experts=int4", {}));
}

// Narrow weights whose format is only for storage are widened before the product.
TEST(ParsePrecision, ArithmeticFollowsTheWeights) {
  const auto arithmetic = [](const char* type) {
    return parse_precision(std::string("experts=") + type, Precision{}).expert_arithmetic;
  };
  EXPECT_EQ(arithmetic("fp8"), DType::fp8);
  EXPECT_EQ(arithmetic("fp8-block"), DType::fp8);
  EXPECT_EQ(arithmetic("int8"), DType::int8);
  EXPECT_EQ(arithmetic("nvfp4"), DType::fp4);
  EXPECT_EQ(arithmetic("mxfp4"), DType::bf16);
  EXPECT_EQ(arithmetic("int4"), DType::bf16);
  EXPECT_EQ(arithmetic("int6"), DType::bf16);
  EXPECT_EQ(arithmetic("fp16"), DType::fp16);
  EXPECT_EQ(arithmetic("fp32"), DType::fp32);
}

TEST(ParsePrecision, NamesTheMistake) {
  const struct {
    const char* text;
    const char* says;
  } mistakes[] = {
      {"weight=fp8", "did you mean 'weights'"},
      {"fp8", "'fp8' has no '='"},
      {"weights=fp9", "fp8"},
      {"weights=", "weights="},
      {"weights=fp8,,kv=bf16", "'' has no '='"},
      {"weights=fp8,weights=int4", "'weights' is given twice"},
      {"wei\nghts=fp8", "wei\\nghts"},
      {"weights=f\np8", "f\\np8"},
      {"bits\n", "bits\\n"},
  };
  for (const auto& mistake : mistakes) {
    const std::string message = user_error([&] { return parse_precision(mistake.text, {}); });
    EXPECT_EQ(message.rfind("--dtype: ", 0), 0U) << message;
    EXPECT_NE(message.find(mistake.says), message.npos) << message;
  }
}

TEST(PrecisionText, NamesClassesThatDiffer) {
  EXPECT_EQ(to_text(Precision{}), "weights=bf16,activations=bf16,kv=bf16");
  EXPECT_EQ(to_text(parse_precision("weights=fp8,experts=int4,kv=fp8", {})),
            "weights=fp8,experts=int4,embedding=bf16,activations=bf16,kv=fp8");
  for (const char* text : {"weights=int8,attention=bf16,kv=int6", "weights=nvfp4,activations=fp8", "experts=mxfp4"}) {
    const Precision precision = parse_precision(text, {});
    EXPECT_EQ(parse_precision(to_text(precision), {}), precision) << text;
  }
}

}  // namespace
}  // namespace moesaic
