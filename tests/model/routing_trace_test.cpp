// Traces of several layers from files, and what is said of wrong ones.
#include "model/routing_trace.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/temporary_file.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

class TraceFile : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(file_); }
  std::string file_ = temporary_file("routing-trace.json");

  std::string write(const std::string& text) {
    std::ofstream(file_) << text;
    return file_;
  }
  std::string mistake(const std::string& text) {
    write(text);
    std::string message = user_error([this] { read_routing_trace(file_, 4, 2); });
    EXPECT_TRUE(message.starts_with(file_ + ": ")) << message;
    return message.substr(std::min(message.size(), file_.size() + 2));
  }
};

TEST_F(TraceFile, OneLayerOrSeveral) {
  const RoutingTrace one = read_routing_trace(write(R"({"top_k": 2, "trace": [0, 1, 3, 2]})"), 4, 2);
  EXPECT_EQ(one.layers.size(), 1u);
  EXPECT_EQ(one.tokens(), 2);
  const RoutingTrace two = read_routing_trace(
      write(R"({"experts": 4, "top_k": 2, "layers": [[0, 1, 3, 2], [1, 0, 2, 0]], "source": "a test"})"), 4, 2);
  EXPECT_EQ(two.layers.size(), 2u);
  EXPECT_EQ(two.chosen(1, 1)[0], 2);
  EXPECT_EQ(two.source, "a test");
  EXPECT_DOUBLE_EQ(two.routing(1).inclusion()[0], 1);
  EXPECT_TRUE(is_routing_trace(file_));
  write(R"({"top_k": 2, "histogram": [1, 1, 1, 1]})");
  EXPECT_FALSE(is_routing_trace(file_));
}

TEST_F(TraceFile, MistakesAreNamed) {
  EXPECT_EQ(mistake(R"({"experts": 8, "top_k": 2, "trace": [0, 1]})"),
            "experts: is of a model with 8 experts; this one has 4");
  EXPECT_EQ(mistake(R"({"top_k": 1, "trace": [0, 1]})"), "top_k: is of a model with 1 experts a token; this one has 2");
  EXPECT_EQ(mistake(R"({"top_k": 2, "layers": [[0, 1], [0, 4]]})"), "layers.1.1: is expert 4; allowed: 0 to 3");
  EXPECT_EQ(mistake(R"({"top_k": 2, "layers": [[0, 1], [0, 0]]})"),
            "layers: routing trace: layer 1: trace entry 1: token 0 chooses expert 0 twice");
  EXPECT_EQ(mistake(R"({"top_k": 2, "layers": [[0, 1], [0, 1, 2, 3]]})"),
            "layers: routing trace: layer 1 has 4 entries, layer 0 has 2; needs as many");
  EXPECT_EQ(mistake(R"({"top_k": 2, "layers": []})"), "layers: routing trace: no layers; needs at least one");
  EXPECT_NE(mistake(R"({"top_k": 2})").find("needs either 'trace'"), std::string::npos);
  EXPECT_NE(mistake(R"({"top_k": 2, "trase": [0, 1]})").find("trase"), std::string::npos);
}

}  // namespace
}  // namespace moesaic
