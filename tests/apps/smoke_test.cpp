// Every shipped model on some machine, every shipped machine with some model: an answer, never a crash.
#include "base/catalog.hpp"
#include "hw/machine.hpp"
#include "tests/apps/run.hpp"

namespace moesaic {
namespace {

TEST(Smoke, EveryModel) {
  for (const CatalogEntry& model : list_catalog("models")) {
    for (const char* machine : {"dgx-h200", "dgx-b200", "mi300x-8", "tpu-v5e"}) {
      const Ran ran = run({"predict", "--model", model.file.string(), "--machine", machine, "--batch", "8", "--input",
                           "300", "--output", "40", "--format", "json"});
      EXPECT_EQ(ran.code, 0) << model.name << " on " << machine << ": " << ran.err;
      EXPECT_EQ(ran.out.find("nan"), std::string::npos) << model.name << " on " << machine;
    }
    const Ran shown = run({"models", "show", model.file.string()});
    EXPECT_EQ(shown.code, 0) << shown.err;
    EXPECT_NE(shown.out.find("\"source\""), std::string::npos) << model.name;
  }
}

TEST(Smoke, EveryMachine) {
  for (const MachineSummary& machine : list_machines()) {
    const Ran shown = run({"machines", "show", machine.name});
    EXPECT_EQ(shown.code, 0) << shown.err;
    EXPECT_NE(shown.out.find("\"sources\""), std::string::npos) << machine.name;
    if (machine.kind == "host") {
      continue;
    }
    const Ran ran = run({"predict", "--model", "Mixtral-8x7B", "--machine", machine.name, "--batch", "4", "--input",
                         "100", "--output", "10", "--format", "json"});
    EXPECT_EQ(ran.code, 0) << machine.name << ": " << ran.err;
  }
}

TEST(Smoke, Lists) {
  EXPECT_NE(run({"machines"}).out.find("gb200-nvl72"), std::string::npos);
  EXPECT_NE(run({"models"}).out.find("deepseek-ai/DeepSeek-V3 "), std::string::npos);
}

}  // namespace
}  // namespace moesaic
