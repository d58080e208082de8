#include "sim/simgrid/flow_exchange.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr std::string_view kFlows = "moesaic flows 1\n";
constexpr std::string_view kEnds = "moesaic ends 1\n";

template <typename T>
void put(std::string& text, const std::vector<T>& values) {
  text.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

class Reader {
 public:
  Reader(std::string_view text, std::string_view heading) : left_(text), what_(heading.substr(0, heading.size() - 1)) {
    if (!text.starts_with(heading)) {
      throw UserError(fmt::format("not '{}': begins with '{}'", what_, printable(text.substr(0, heading.size()))));
    }
    left_.remove_prefix(heading.size());
  }

  std::vector<std::uint64_t> counts(std::size_t count) { return values<std::uint64_t>(count); }

  template <typename T>
  std::vector<T> values(std::uint64_t count) {
    if (count > left_.size() / sizeof(T)) {
      throw UserError(fmt::format("'{}' ends too early", what_));
    }
    std::vector<T> result(count);
    if (count > 0) {
      std::memcpy(result.data(), left_.data(), count * sizeof(T));
    }
    left_.remove_prefix(count * sizeof(T));
    return result;
  }

  void expect(bool right, std::string_view of) const {
    if (!right) {
      throw UserError(fmt::format("'{}' has {}", what_, of));
    }
  }
  void expect_end() const { expect(left_.empty(), "more than it says"); }

 private:
  std::string_view left_;
  std::string_view what_;
};

bool all_within(const std::vector<double>& values, double above, double least) {
  return std::all_of(values.begin(), values.end(),
                     [&](double x) { return std::isfinite(x) && x > above && x >= least; });
}

}  // namespace

std::string write_flows(const WholeFlows& flows) {
  std::string text(kFlows);
  put(text, std::vector<std::uint64_t>{flows.capacity.size(), flows.bytes.size(), flows.channel.size()});
  put(text, flows.capacity);
  put(text, flows.bytes);
  put(text, flows.release);
  put(text, flows.first);
  put(text, flows.channel);
  return text;
}

WholeFlows read_flows(std::string_view text) {
  Reader reader(text, kFlows);
  const std::vector<std::uint64_t> counts = reader.counts(3);
  WholeFlows flows;
  flows.capacity = reader.values<double>(counts[0]);
  flows.bytes = reader.values<double>(counts[1]);
  flows.release = reader.values<double>(counts[1]);
  flows.first = reader.values<std::uint32_t>(counts[1] + 1);
  flows.channel = reader.values<std::uint32_t>(counts[2]);
  reader.expect_end();
  reader.expect(all_within(flows.capacity, 0, 0), "a channel without a finite bandwidth");
  reader.expect(all_within(flows.bytes, 0, 0), "a flow without a finite number of bytes");
  reader.expect(all_within(flows.release, -1, 0), "a flow without a finite start");
  reader.expect(flows.first.front() == 0 && flows.first.back() == counts[2], "rows that do not add up");
  for (std::size_t i = 0; i + 1 < flows.first.size(); ++i) {
    reader.expect(flows.first[i] < flows.first[i + 1], "a flow without channels");
  }
  for (const std::uint32_t channel : flows.channel) {
    reader.expect(channel < counts[0], "a channel that does not exist");
  }
  return flows;
}

std::string write_ends(const std::vector<double>& ends) {
  std::string text(kEnds);
  put(text, std::vector<std::uint64_t>{ends.size()});
  put(text, ends);
  return text;
}

std::vector<double> read_ends(std::string_view text, std::size_t flows) {
  Reader reader(text, kEnds);
  reader.expect(reader.counts(1)[0] == flows, "another number of flows");
  std::vector<double> ends = reader.values<double>(flows);
  reader.expect_end();
  reader.expect(all_within(ends, -1, 0), "a flow that does not end");
  return ends;
}

}  // namespace moesaic
