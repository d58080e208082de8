#include "apps/stream.hpp"

#include <CLI/CLI.hpp>

#include "apps/options.hpp"
#include "apps/output.hpp"
#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/stream.hpp"

namespace moesaic {
namespace {

std::optional<std::int64_t> count_if_given(const std::string& option, const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(parse_count(option, text));
}

std::optional<Bytes> size_if_given(const std::string& option, const std::string& text) {
  if (text.empty()) {
    return std::nullopt;
  }
  try {
    const Bytes size = parse_quantity<Bytes>(text);
    if (size > Bytes{0}) {
      return size;
    }
  } catch (const UserError& error) {
    throw UserError(option + ": " + error.what());
  }
  throw UserError(option + ": " + printable(text) + " is not above zero");
}

RequestStream stream_of(const StreamOptions& options) {
  return {.prompt = parse_count("--input", options.input),
          .generated = parse_count("--output", options.output),
          .block = parse_count("--block", options.block),
          .running = count_if_given("--running", options.running),
          .cache = size_if_given("--cache", options.cache),
          .pass_tokens = count_if_given("--pass-tokens", options.pass_tokens),
          .requests = count_if_given("--requests", options.requests)};
}

}  // namespace

CLI::App* add_stream_command(CLI::App& app, StreamOptions& options) {
  CLI::App* command =
      app.add_subcommand("stream", "Throughput of requests without end: prompts and decodes in the same passes");
  const auto add = [command](const char* name, std::string& value, const char* what, const char* type) {
    return command->add_option(name, value, what)->type_name(type);
  };
  add_deployment_options(*command, options.scenario, options.devices);
  add("--input", options.input, "Prompt tokens of each request (default 1024)", "I");
  add("--output", options.output, "Generated tokens of each request (default 256)", "O");
  add("--running", options.running, "Requests at once (default: as many as fit)", "N");
  add("--cache", options.cache, "Most that the caches of all requests may take (default: what memory holds)", "SIZE");
  add("--block", options.block, "Tokens of a block of the cache (default 1)", "N");
  add("--pass-tokens", options.pass_tokens, "Most tokens of a pass, prompts and decodes (default: as memory holds)",
      "N");
  add("--requests", options.requests, "Also a batch of so many, with the passes that fill and empty it", "N");
  add_running_options(*command, options.scenario);
  add_output_options(*command, options.format, options.output_file, {"text", "json", "html"});
  command->footer(
      "Example:\n  moesaic stream --model Mixtral-8x7B --machine xeon-8380-a40 --placement moe-lens --input 98 "
      "--output 32 --cache 70GB");
  return command;
}

void run_stream(const StreamOptions& options, const std::string& command, const Console& console) {
  check_output("-o", options.output_file);
  StreamReport report;
  report.stream = stream_of(options);
  Scenario scenario = options.scenario;
  if (!options.devices.empty()) {
    scenario.devices = parse_count("--devices", options.devices);
  }
  const Deployment deployment = make_deployment(scenario);
  report.prediction = predict_stream(deployment, report.stream);
  report.deployed = deployed(deployment);
  const bool rich = console.rich && options.output_file.empty();
  write_result(options.format == "json"   ? stream_json(report)
               : options.format == "html" ? stream_page(report, command)
                                          : stream_text(report, {.rich = rich}),
               options.output_file, console.out);
}

}  // namespace moesaic
