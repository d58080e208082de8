// Studies: formulas, rows, targets, scores, and what a user writes wrongly.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "reports/reproduction.hpp"
#include "tests/schema/violation.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

TEST(Expression, Arithmetic) {
  const NamedValues names{{"a", 3}, {"run.decode.seconds", 0.5}, {"run.rows.0.value", 4}};
  EXPECT_EQ(evaluate_expression("2 * a + 1", names), 7);
  EXPECT_EQ(evaluate_expression("run.rows.0.value / run.decode.seconds", names), 8);
  EXPECT_EQ(evaluate_expression("max(a, 10) - min(a, 10)", names), 7);
  EXPECT_EQ(evaluate_expression("a > 2 ? 1 : 0", names), 1);
  EXPECT_DOUBLE_EQ(evaluate_expression("2^10 / 1e3", names), 1.024);
}

TEST(Expression, Mistakes) {
  const NamedValues names{{"layers", 3}};
  EXPECT_NE(user_error([&] { return evaluate_expression("layer * 2", names); }).find("did you mean 'layers'"),
            std::string::npos);
  EXPECT_NE(user_error([&] { return evaluate_expression("2 *", names); }).find("no expression"), std::string::npos);
  EXPECT_NE(user_error([&] { return evaluate_expression("1 / 0", names); }).find("finite"), std::string::npos);
  const NamedValues unfit{{"it.fits", 0},
                          {"it.load.batch", 1},
                          {"it.memory.total", 30e9},
                          {"it.memory.capacity", 24e9},
                          {"it.memory.host.total", 80e9},
                          {"it.memory.host.capacity", 64e9}};
  EXPECT_THROW((void)evaluate_expression("it.tpot_s", unfit), DoesNotFit);
  EXPECT_EQ(user_error([&] { return evaluate_expression("it.tpot_s", unfit); }),
            "what 'it' predicts does not fit into memory: 30.0 GB of 24.0 GB per device and 80.0 GB of 64.0 GB on the "
            "host");
}

std::string study_with(const std::string& rows, const std::string& more = "") {
  return R"({"system": "mine", "source": "a paper", )" + more + R"("rows": [)" + rows + "]}";
}

Study read(const std::string& text) { return read_study(Config::parse(text, "mine.json")); }

NamedValues no_runs(const StudyRun& run) { return {{"seconds", static_cast<double>(run.options.size())}}; }

std::string row(const std::string& id, const std::string& published, const std::string& predicted,
                const std::string& more = "\"class\": \"closed-form\"") {
  return R"({"id": ")" + id + R"(", "quantity": "q", "published": ")" + published + R"(", "predicted": ")" + predicted +
         "\", " + more + "}";
}

TEST(Study, RowsUseValuesRunsAndEarlierRows) {
  const Study study = read(study_with(row("first", "4.00 us", "twice * 1e-6") + "," +
                                          row("second", "8 us", "2 * first") + "," + row("third", "2", "r.seconds"),
                                      R"("values": {"one": 1, "speed": "50 GB/s", "twice": "=4 * one"},
         "runs": {"r": {"predict": {"model": "m", "flag": true, "off": false}}}, )"));
  ASSERT_EQ(study.runs.size(), 1u);
  EXPECT_EQ(study.runs[0].command, "predict");
  EXPECT_EQ(study.runs[0].options, (std::vector<std::pair<std::string, std::string>>{{"model", "m"}, {"flag", ""}}));
  const Reproduction reproduction = reproduce(study, no_runs);
  for (const ReproducedRow& one : reproduction.rows) {
    EXPECT_TRUE(one.within) << one.row.id;
  }
  EXPECT_DOUBLE_EQ(reproduction.rows[1].predicted, 8e-6);
}

TEST(Study, ForWritesARowForEachEntry) {
  const Study study = read(study_with(row(
      "at{n}", "{n}", "it.seconds + {n} - 2",
      R"("class": "measured", "run": {"collective": {"ranks": "{n}", "kind": "x"}}, "for": [{"n": 16}, {"n": 32}])")));
  ASSERT_EQ(study.rows.size(), 2u);
  EXPECT_EQ(study.rows[1].id, "at32");
  EXPECT_EQ(study.rows[1].run->options[0].second, "32");
  EXPECT_EQ(reproduce(study, no_runs).rows[1].predicted, 32);
}

// Of an id that is no name, formulas say '_' for what names do not have.
TEST(Study, RowsAreNamedByTheirIds) {
  const Study study = read(study_with(row("Qwen1.5-MoE", "2 s", "2", R"("class": "measured")") + "," +
                                      row("gain", "2.0x", "4 / Qwen1_5_MoE", R"("class": "ratio")")));
  EXPECT_EQ(reproduce(study, no_runs).rows[1].predicted, 2);
  const Study other = read(study_with(row("fast", "2 s", "2", R"("class": "measured")") + "," +
                                      row("gain", "2.0x", "4 / fest", R"("class": "ratio")")));
  EXPECT_NE(user_error([&] { return reproduce(other, no_runs); }).find("'fest' (did you mean 'fast'?)"),
            std::string::npos);
}

// Within 25% where measured, the same digits where closed; what was calibrated is not scored.
TEST(Study, TargetsAndScores) {
  const Study study = read(study_with(row("a", "100 us", "120e-6", R"("class": "measured")") + "," +
                                      row("b", "100 us", "130e-6", R"("class": "measured", "reason": "why")") + "," +
                                      row("c", "100 us", "100.4e-6") + "," +
                                      row("d", "100 us", "1", R"("class": "measured", "calibrated": true)") + "," +
                                      row("e", "2 to 3", "3.3", R"("class": "ratio", "target": "5%")")));
  const std::vector<Reproduction> studies{reproduce(study, no_runs)};
  const auto& rows = studies[0].rows;
  EXPECT_TRUE(rows[0].within);
  EXPECT_FALSE(rows[1].within);
  EXPECT_TRUE(rows[2].within);
  EXPECT_NEAR(rows[4].error, 0.1, 1e-12);  // from the nearer end
  EXPECT_FALSE(rows[4].within);
  const ReproductionScores scores = reproduction_scores(studies);
  EXPECT_EQ(scores.rows, 4u);
  EXPECT_EQ(scores.within, 2u);
  EXPECT_EQ(scores.calibrated, 1u);
  EXPECT_NEAR(scores.measured.median, 0.25, 1e-12);
  EXPECT_NEAR(scores.measured.worst, 0.3, 1e-12);
  const std::string json = reproduction_json(studies);
  EXPECT_EQ(violation("reproduction.json", json), "");
  EXPECT_EQ(nlohmann::json::parse(json)["rows"][1]["published"], 100);
  const std::string text = reproduction_text(studies, {});
  EXPECT_NE(text.find("b: why"), std::string::npos) << text;
  EXPECT_NE(text.find("2 of 4 rows within their targets"), std::string::npos) << text;
  EXPECT_NE(reproduction_page(studies, "moesaic reproduce mine").find("missed"), std::string::npos);
}

// One row that does not fit does not hide the others: it and those that are made of it have no prediction, and miss.
TEST(Study, RowsThatDoNotFit) {
  const std::string run = R"("class": "measured", "run": {"predict": {"batch": "BATCH"}})";
  const auto with = [&](const std::string& batch) { return std::string(run).replace(run.find("BATCH"), 5, batch); };
  const Study study =
      read(study_with(row("small", "4 s", "it.ttft_s", with("1")) + "," + row("large", "4 s", "it.ttft_s", with("9")) +
                      "," + row("larger", "1.0x", "large / small", R"("class": "ratio")") + "," +
                      row("last", "4 s", "small", R"("class": "measured")")));
  const std::vector<Reproduction> studies{reproduce(study, [](const StudyRun& one) {
    return one.options[0].second == "1"
               ? NamedValues{{"fits", 0}, {"ttft_s", 4}, {"running_batch", 20}, {"load.batch", 64}}
               : NamedValues{{"fits", 0}, {"memory.total", 30e9}, {"memory.capacity", 24e9}};
  })};
  const auto& rows = studies[0].rows;
  EXPECT_TRUE(rows[0].within);
  EXPECT_NE(rows[1].unfit.find("30.0 GB of 24.0 GB per device"), std::string::npos) << rows[1].unfit;
  EXPECT_FALSE(rows[1].within);
  EXPECT_EQ(rows[2].unfit, rows[1].unfit);
  EXPECT_TRUE(rows[3].within);
  const ReproductionScores scores = reproduction_scores(studies);
  EXPECT_EQ(scores.rows, 4u);
  EXPECT_EQ(scores.within, 2u);
  EXPECT_EQ(scores.measured.rows, 3u);
  EXPECT_EQ(scores.measured.worst, 0);
  const std::string json = reproduction_json(studies);
  EXPECT_EQ(violation("reproduction.json", json), "");
  EXPECT_TRUE(nlohmann::json::parse(json)["rows"][1]["predicted"].is_null());
  const std::string text = reproduction_text(studies, {});
  EXPECT_NE(text.find("large: what 'it' predicts does not fit into memory"), std::string::npos) << text;
  EXPECT_NE(text.find("small: memory holds 20 of the batch's 64 requests at once"), std::string::npos) << text;
  EXPECT_NE(reproduction_page(studies, "moesaic reproduce mine").find("does not fit"), std::string::npos);
}

TEST(Study, Mistakes) {
  const std::string good = row("a", "1 us", "1e-6");
  const std::pair<std::string, const char*> mistakes[] = {
      {study_with(row("a", "1 us", "1", R"("class": "mesured")")), "did you mean 'measured'"},
      {study_with(row("a", "fast", "1")), "rows.0.published"},
      {study_with(good + "," + good), "given twice"},
      {study_with(row("a-b", "2 s", "2", R"("class": "measured")") + "," +
                  row("a.b", "2 s", "2", R"("class": "measured")")),
       "'a-b' and 'a.b' are both 'a_b' in formulas"},
      {study_with(good, R"("runs": {"r": {}}, )"), "runs.r"},
      {study_with(good, R"("vales": {}, )"), "did you mean 'values'"},
      {study_with(good, R"("define": {"machine": {}}, )"), "machines"},
      {study_with(good, R"("define": {"machines": {"mine": {}}, "placements": {"mine": {}}}, )"),
       "define.placements.mine: 'mine' is the name of one of \"machines\" too"},
      {study_with(""), "has no rows"},
      {study_with(row("a", "1 us", "1", R"("class": "ratio", "targt": 1)")), "targt"},
      {study_with(row("a", "1 us", "1", R"("class": "ratio", "target": 11)")), "target"},
  };
  for (const auto& [text, says] : mistakes) {
    const std::string message = user_error([&study = text] { return read(study); });
    EXPECT_NE(message.find("mine.json"), std::string::npos) << message;
    EXPECT_NE(message.find(says), std::string::npos) << message;
  }
  const std::string unknown = user_error(
      [&] { return reproduce(read(study_with(row("a", "1 us", "twise"), R"("values": {"twice": 2}, )")), no_runs); });
  EXPECT_NE(unknown.find("mine.json: rows.0"), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("did you mean 'twice'"), std::string::npos) << unknown;
}

}  // namespace
}  // namespace moesaic
