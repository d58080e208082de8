#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "apps/cache.hpp"
#include "apps/calibrate.hpp"
#include "apps/cli.hpp"
#include "apps/closed_form.hpp"
#include "apps/collective.hpp"
#include "apps/dram.hpp"
#include "apps/edap.hpp"
#include "apps/experts.hpp"
#include "apps/flows.hpp"
#include "apps/models.hpp"
#include "apps/offload.hpp"
#include "apps/options.hpp"
#include "apps/output.hpp"
#include "apps/overlap.hpp"
#include "apps/pipeline.hpp"
#include "apps/reproduce.hpp"
#include "apps/search.hpp"
#include "apps/serve.hpp"
#include "apps/stream.hpp"
#include "apps/topology.hpp"
#include "apps/train.hpp"
#include "apps/validate.hpp"
#include "base/catalog.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "reports/report.hpp"

namespace moesaic {
namespace {

/// A prediction with all that people want to know of it.
Prediction full_prediction(const Deployment& deployment, const Load& load) {
  Prediction prediction = predict(deployment, load);
  prediction.advice = fit_advice(deployment, load);
  prediction.elasticity = elasticities(deployment, load);
  return prediction;
}

PageSection page_section(const std::string& title, const Deployment& deployment, const Load& load) {
  return {.title = title,
          .prediction = full_prediction(deployment, load),
          .prefill_operators = explain_step(deployment, load, Phase::prefill).rows,
          .decode_operators = explain_step(deployment, load, Phase::decode).rows,
          .machine = deployment.plan.machine(),
          .sweep = sweep_batch(deployment, load)};
}

std::string command_line(const std::vector<std::string>& arguments) {
  std::string line = "moesaic";
  for (const std::string& argument : arguments) {
    const bool plain = argument.find_first_of(" '\"$\\") == std::string::npos;
    line += plain ? " " + argument : " '" + argument + "'";
  }
  return line;
}

std::string compare(const CommonOptions& options, const std::vector<std::string>& arguments, bool rich) {
  std::vector<Prediction> predictions;
  std::vector<std::string> names;
  std::vector<PageSection> sections;
  for (const NamedScenario& item : combine(options.list)) {
    const Deployment deployment = make_deployment(item.scenario);
    const Load& load = item.scenario.load;
    if (options.format == "html") {
      const std::string title = deployment.plan.architecture().name + " on " + deployment.plan.machine().name +
                                (item.name.empty() || names.empty() ? "" : " (" + item.name + ")");
      sections.push_back(page_section(title, deployment, load));
    } else {
      predictions.push_back(full_prediction(deployment, load));
    }
    names.push_back(item.name);
  }
  if (options.format == "html") {
    return prediction_page(sections, command_line(arguments));
  }
  return options.format == "json" ? comparison_json(predictions, names)
                                  : comparison_text(predictions, names, {.rich = rich});
}

/// The one scenario of a command that takes a single value for every option.
NamedScenario single(const ScenarioList& list) {
  const std::vector<NamedScenario> scenarios = combine(list);
  if (scenarios.size() != 1) {
    throw UserError(fmt::format(
        "{} combinations of options are given, but this command takes one; use 'moesaic compare'", scenarios.size()));
  }
  return scenarios.front();
}

std::string predict_text(const CommonOptions& options, const std::vector<std::string>& arguments, bool rich) {
  const Scenario scenario = single(options.list).scenario;
  const Deployment deployment = make_deployment(scenario);
  if (options.format == "html") {
    const std::string title = deployment.plan.architecture().name + " on " + deployment.plan.machine().name;
    return prediction_page({page_section(title, deployment, scenario.load)}, command_line(arguments));
  }
  const Prediction prediction = full_prediction(deployment, scenario.load);
  return options.format == "json" ? prediction_json(prediction) : prediction_text(prediction, {.rich = rich});
}

std::string explain(const CommonOptions& options, const std::string& phase, bool rich) {
  const Scenario scenario = single(options.list).scenario;
  if (options.format == "html") {
    throw UserError(
        "--format: explain prints text or json; 'moesaic predict --format html' has the same table on its page");
  }
  const OperatorTable table =
      explain_step(make_deployment(scenario), scenario.load, phase == "prefill" ? Phase::prefill : Phase::decode);
  return options.format == "json" ? operators_json(table) : operators_text(table, {.rich = rich});
}

/// A machine with its references resolved, or a host as its file says. What could not be predicted is not shown either.
std::string show_machine_text(const std::string& name) {
  const Config file = Config::load(find_in_catalog("machines", "machine", name).file);
  if (file.is_object() && file.string_or("kind", "") == "host") {
    return file.dump() + "\n";
  }
  const Config machine = load_machine_config(name);
  read_machine(machine);
  return machine.dump() + "\n";
}

std::string list_machines_text() {
  std::string text;
  for (const MachineSummary& machine : list_machines()) {
    text += fmt::format("{:<7} {:<18} {}\n", machine.kind, machine.name, machine.description);
  }
  return text;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) {
    names.push_back(command->get_name());
  }
  return names;
}

/// The command or option that was probably meant.
std::string unknown_argument(const CLI::App& app, const CLI::ParseError& error,
                             const std::vector<std::string>& arguments) {
  const CLI::App* command = &app;
  for (const std::string& argument : arguments) {
    const std::vector<std::string> names = command_names(*command);
    if (names.empty() || argument.starts_with("-")) {
      break;
    }
    if (std::find(names.begin(), names.end(), argument) == names.end()) {
      if (command->get_require_subcommand_min() > 0) {
        return "unknown command '" + argument + "'" + suggest(argument, names);
      }
      break;
    }
    command = command->get_subcommand(argument);
  }
  std::string message = error.what();
  if (command != &app) {
    std::vector<std::string> options;
    for (const CLI::Option* option : command->get_options()) {
      options.push_back("--" + (option->get_lnames().empty() ? std::string() : option->get_lnames()[0]));
    }
    for (const std::string& argument : arguments) {
      const std::string word = argument.substr(0, argument.find('='));
      if (word.starts_with("--") && std::find(options.begin(), options.end(), word) == options.end()) {
        return "unknown option '" + word + "'" + suggest(word, options);
      }
    }
  }
  std::replace(message.begin(), message.end(), '\n', ' ');
  return message;
}

}  // namespace

int run_cli(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err, bool terminal) {
  CLI::App app{"moesaic predicts how fast a large language model runs on a machine, and what limits it."};
  app.set_version_flag("--version", "moesaic " MOESAIC_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Example:\n  moesaic predict --model Mixtral-8x7B --machine dgx-h100 --batch 64 --input 1024 --output 256");

  CommonOptions options;
  CLI::App* predict_command =
      app.add_subcommand("predict", "Does it fit, how fast is it, what limits it, what would help");
  add_common_options(*predict_command, options);
  predict_command->footer(
      "Example:\n  moesaic predict --model DeepSeek-V3 --machine dgx-h200 --dtype kv=fp8 --batch 128 --input 2048 "
      "--output 512");

  CLI::App* compare_command = app.add_subcommand("compare", "Several machines, models, mappings or loads side by side");
  add_common_options(*compare_command, options);
  compare_command->footer(
      "Lists are separated by commas; --map, --dtype and --routing may be repeated. All combinations are compared.\n"
      "Example:\n  moesaic compare --model Mixtral-8x7B --machine dgx-a100,dgx-h100,mi300x-8 --batch 64 --input 1024 "
      "--output 256");

  std::string phase = "decode";
  CLI::App* explain_command =
      app.add_subcommand("explain", "The operators of one step: work, intensity, time, what bounds each");
  add_common_options(*explain_command, options);
  explain_command
      ->add_option("--phase", phase,
                   "Which step: prefill or decode (in the middle of the generation); with pp one micro-batch of it on "
                   "the slowest stage")
      ->check(CLI::IsMember({"prefill", "decode"}));
  explain_command->footer(
      "Example:\n  moesaic explain --model DeepSeek-V3 --machine dgx-h200 --batch 64 --input 2048 --output 512 --phase "
      "decode");

  CalibrateOptions calibrate_options;
  CLI::App* calibrate_command =
      app.add_subcommand("calibrate", "Measure this computer or its GPU, or fit a profile to measurements");
  add_calibrate_options(*calibrate_command, calibrate_options);
  calibrate_command->footer(
      "Example:\n  moesaic calibrate --device cpu -o this-computer.json\n"
      "  moesaic calibrate --device cuda -o my-gpu.json --measurements my-gpu.csv\n"
      "  moesaic calibrate --from measurements --device h100-sxm --stack vllm-0.24 -o profile.json");

  std::string shown;
  CLI::App* machines_command = app.add_subcommand("machines", "The catalog of machines");
  CLI::App* show_machine = machines_command->add_subcommand("show", "One machine with its figures and their sources");
  show_machine->add_option("name", shown, "Machine, host or file")->required();
  machines_command->footer("Example:\n  moesaic machines show dgx-h100");
  show_machine->footer("Example:\n  moesaic machines show dgx-h100");
  ModelsOptions models_options;
  CLI::App* models_command = app.add_subcommand("models", "The catalog of models, and what they count");
  add_models_options(*models_command, models_options);
  CLI::App* show_model = models_command->add_subcommand("show", "One model's config.json with its source");
  show_model->add_option("name", shown, "Model or file")->required();
  models_command->footer("Example:\n  moesaic models show DeepSeek-V3");
  show_model->footer("Example:\n  moesaic models show DeepSeek-V3");

  TopologyOptions topology_options;
  const CLI::App* topology_command = add_topology_command(app, topology_options);

  ValidateOptions validate_options;
  const CLI::App* validate_command = add_validate_command(app, validate_options);
  CollectiveOptions collective_options;
  const CLI::App* collective_command = add_collective_command(app, collective_options);
  FlowsOptions flows_options;
  const CLI::App* flows_command = add_flows_command(app, flows_options);
  OverlapOptions overlap_options;
  const CLI::App* overlap_command = add_overlap_command(app, overlap_options);
  PipelineOptions pipeline_options;
  const CLI::App* pipeline_command = add_pipeline_command(app, pipeline_options);
  ReproduceOptions reproduce_options;
  const CLI::App* reproduce_command = add_reproduce_command(app, reproduce_options);
  SearchOptions search_options;
  const CLI::App* search_command = add_search_command(app, search_options);
  ServeOptions serve_options;
  const CLI::App* serve_command = add_serve_command(app, serve_options);
  StreamOptions stream_options;
  const CLI::App* stream_command = add_stream_command(app, stream_options);
  CacheOptions cache_options;
  const CLI::App* cache_command = add_cache_command(app, cache_options);
  OffloadOptions offload_options;
  const CLI::App* offload_command = add_offload_command(app, offload_options);
  ExpertsOptions experts_options;
  const CLI::App* experts_command = add_experts_command(app, experts_options);
  TrainOptions train_options;
  const CLI::App* train_command = add_train_command(app, train_options);
  ClosedFormOptions closed_form_options;
  const CLI::App* closed_form_command = add_closed_form_command(app, closed_form_options);
  DramOptions dram_options;
  const CLI::App* dram_command = add_dram_command(app, dram_options);
  EdapOptions edap_options;
  const CLI::App* edap_command = add_edap_command(app, edap_options);

  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success, out, err);
  } catch (const CLI::ParseError& error) {
    err << "moesaic: " << unknown_argument(app, error, arguments) << '\n';
    return 2;
  }

  try {
    const bool watched = &err == &std::cerr && isatty(STDERR_FILENO) == 1;
    if (*validate_command) {
      run_validate(*validate_command, validate_options, command_line(arguments), {out, err, terminal, watched});
      return 0;
    }
    if (*collective_command) {
      run_collective(collective_options, {out, err, terminal, watched});
      return 0;
    }
    if (*flows_command) {
      run_flows_command(flows_options, {out, err, terminal, watched});
      return 0;
    }
    if (*train_command) {
      run_train(train_options, {out, err, terminal, watched});
      return 0;
    }
    if (*reproduce_command) {
      run_reproduce(reproduce_options, command_line(arguments), {out, err, terminal, watched});
      return 0;
    }
    if (*search_command) {
      run_search(search_options, command_line(arguments), {out, err, terminal, watched});
      return 0;
    }
    if (*serve_command) {
      run_serve(serve_options, command_line(arguments), {out, err, terminal, watched});
      return 0;
    }
    if (*stream_command) {
      run_stream(stream_options, command_line(arguments), {out, err, terminal, watched});
      return 0;
    }
    if (*offload_command) {
      run_offload(offload_options, command_line(arguments), {out, err, terminal, watched});
      return 0;
    }
    if (*experts_command) {
      const std::string& file = experts_options.output_file;
      write_result(experts(experts_options, terminal && file.empty()), file, out);
      return 0;
    }
    if (*cache_command) {
      check_output("-o", cache_options.output_file);
      write_result(cache_result(cache_options, terminal && cache_options.output_file.empty()),
                   cache_options.output_file, out);
      return 0;
    }
    if (*closed_form_command) {
      const std::string& file = closed_form_options.output_file;
      check_output("-o", file);
      write_result(closed_form_result(closed_form_options, terminal && file.empty()), file, out);
      return 0;
    }
    if (*dram_command) {
      const std::string& file = dram_options.output_file;
      check_output("-o", file);
      write_result(dram_result(dram_options, terminal && file.empty()), file, out);
      return 0;
    }
    if (*edap_command) {
      const std::string& file = edap_options.output_file;
      check_output("-o", file);
      write_result(edap_result(edap_options, command_line(arguments), terminal && file.empty()), file, out);
      return 0;
    }
    if (*overlap_command) {
      const std::string& file = overlap_options.output_file;
      check_output("-o", file);
      write_result(overlap_result(overlap_options, terminal && file.empty()), file, out);
      return 0;
    }
    if (*pipeline_command) {
      const std::string& file = pipeline_options.output_file;
      check_output("-o", file);
      write_result(pipeline_result(pipeline_options, command_line(arguments), terminal && file.empty()), file, out);
      return 0;
    }
    if (*topology_command) {
      write_result(topology_result(topology_options, command_line(arguments), terminal), topology_options.output_file,
                   out);
      return 0;
    }
    const bool rich = terminal && options.output_file.empty();
    std::string text;
    if (*calibrate_command) {
      calibrate(calibrate_options, out, err);
    } else if (*predict_command) {
      text = predict_text(options, arguments, rich);
    } else if (*compare_command) {
      text = compare(options, arguments, rich);
    } else if (*explain_command) {
      text = explain(options, phase, rich);
    } else if (*show_machine) {
      text = show_machine_text(shown);
    } else if (*machines_command) {
      text = list_machines_text();
    } else if (*show_model) {
      text = load_model_config(shown).dump() + "\n";
    } else {
      text = models_result(models_options);
    }
    write_result(text, options.output_file, out);
  } catch (const UserError& error) {
    err << "moesaic: " << error.what() << '\n';
    return 2;
  }
  return 0;
}

}  // namespace moesaic
