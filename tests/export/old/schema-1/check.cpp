// Replays the golden jets of a bundle through onnxruntime and compares with what the trained tagger said of them.
//
//     check [BUNDLE]     reads BUNDLE/model.onnx and BUNDLE/golden.txt, of the present folder if none is given
//
// Exit code 0 if every output of every jet is within its tolerance, 1 if not or if something cannot be read. Outputs are
// compared by name. golden.txt: words separated by white space, names to the end of the line, see `read`.
//
// SPDX-License-Identifier: Apache-2.0
#include "tagger_session.hpp"

#include <cmath>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <limits>
#include <set>
#include <sstream>

namespace {

using salt_like::Columns;
using salt_like::Jet;

constexpr double smallest = 1e-30;  // probabilities below have logarithms that say nothing

struct Source {
  std::size_t variables = 0;
  bool constituents = false;
  std::string name;
};

struct Expected {
  std::string name, type;
  double absolute = 0, relative = 0, logarithm = -1;  // tolerances; negative for none
  std::string constituents;                           // the input that it has a row for each row of; empty for jets
  std::size_t width = 1;                              // numbers in a row
  bool index() const { return type != "float32"; }
};

struct Golden {
  std::string model, profile;
  std::vector<Source> inputs;
  std::vector<Expected> outputs;
  std::vector<std::string> cases;
  std::vector<Jet> jets;
  std::vector<std::vector<std::vector<double>>> values;  // [output][jet]; float32 and integers are exact
};

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : file_(path), path_(path.string()) {
    if (!file_) throw std::runtime_error("cannot read " + path_);
  }
  std::string word() {
    std::string text;
    if (!(file_ >> text)) throw std::runtime_error(path_ + " ends too early");
    return text;
  }
  std::string rest() {
    std::string text;
    std::getline(file_ >> std::ws, text);
    return text;
  }
  void expect(const std::string& what) {
    const std::string found = word();
    if (found != what) throw std::runtime_error(path_ + ": expected '" + what + "', found '" + found + "'");
  }
  double number() {
    const std::string text = word();
    char* end = nullptr;
    const double value = std::strtof(text.c_str(), &end);  // reads nan and inf, and rounds as it should
    if (end == text.c_str() || *end) throw std::runtime_error(path_ + ": expected a number, found '" + text + "'");
    return value;
  }
  std::size_t count() { return count(word()); }
  std::size_t count(const std::string& text) const {
    const bool good = !text.empty() && text.size() < 9 && text.find_first_not_of("0123456789") == std::string::npos;
    if (!good) throw std::runtime_error(path_ + ": expected a count, found '" + text + "'");
    return std::stoul(text);
  }

 private:
  std::ifstream file_;
  std::string path_;
};

double bound(Reader& reader) {
  const std::string text = reader.word();
  return text == "-" ? -1 : std::strtod(text.c_str(), nullptr);
}

Golden read(const std::filesystem::path& path) {
  Reader reader(path);
  Golden golden;
  const std::string format = reader.rest();
  if (format != "salt-like golden jets 1") throw std::runtime_error(path.string() + " has unknown format: " + format);
  reader.expect("model"), golden.model = reader.rest();
  reader.expect("profile"), golden.profile = reader.rest();
  reader.expect("inputs"), golden.inputs.resize(reader.count());
  for (Source& one : golden.inputs) {
    one.variables = reader.count(), one.constituents = reader.word() == "constituents", one.name = reader.rest();
  }
  reader.expect("outputs"), golden.outputs.resize(reader.count());
  for (Expected& one : golden.outputs) {
    one.type = reader.word();
    one.absolute = bound(reader), one.relative = bound(reader), one.logarithm = bound(reader);
    const std::string rows = reader.word();
    if (rows != "jet") one.constituents = golden.inputs.at(reader.count(rows)).name;
    one.width = reader.count(), one.name = reader.rest();
  }
  reader.expect("jets"), golden.jets.resize(reader.count());
  golden.values.resize(golden.outputs.size());
  for (Jet& jet : golden.jets) {
    reader.expect("jet"), golden.cases.push_back(reader.rest());
    std::map<std::string, std::size_t> rows{{"", 1}};
    for (const Source& one : golden.inputs) rows[one.name] = reader.count();
    for (const Source& one : golden.inputs) {
      salt_like::Rows& given = jet[one.name] = {one.variables, std::vector<float>(rows[one.name] * one.variables)};
      for (float& value : given.values) value = static_cast<float>(reader.number());
    }
    for (std::size_t i = 0; i < golden.outputs.size(); ++i) {
      const Expected& one = golden.outputs[i];
      std::vector<double> values(one.width * rows.at(one.constituents));
      for (double& value : values) value = reader.number();
      golden.values[i].push_back(values);
    }
  }
  return golden;
}

// How far an output is from what is expected, over all jets.
struct Worst {
  double difference = 0, logarithm = 0;
  double share = 0;       // of what is allowed; more than 1 is too much
  std::size_t wrong = 0;  // numbers beyond their tolerance
  std::string where;      // the first of them

  void add(const Expected& one, double found, double expected, const std::string& jet) {
    const double infinity = std::numeric_limits<double>::infinity();
    const bool same = found == expected || (std::isnan(found) && std::isnan(expected));
    const double change = same ? 0 : std::isfinite(found - expected) ? std::abs(found - expected) : infinity;
    const double allowed = one.absolute + one.relative * (std::isfinite(expected) ? std::abs(expected) : 0);
    double used = same ? 0 : allowed > 0 ? change / allowed : infinity;
    if (one.logarithm >= 0 && expected > smallest && !same) {
      const double ratio = found > 0 ? std::abs(std::log(found / expected)) : infinity;
      logarithm = std::max(logarithm, ratio), used = std::max(used, ratio / one.logarithm);
    }
    difference = std::max(difference, change), share = std::max(share, used);
    if (used <= 1) return;
    if (!wrong++) {
      std::ostringstream text;
      text << std::setprecision(9) << jet << ": found " << found << ", expected " << expected;
      where = text.str();
    }
  }
};

// Compares some jets with the golden ones from `first` on; a wrong number of numbers is wrong, too.
void compare(const Golden& golden, const Columns& found, std::size_t first, std::vector<Worst>& worst) {
  for (std::size_t i = 0; i < golden.outputs.size(); ++i) {
    const Expected& one = golden.outputs[i];
    const salt_like::Column& column = found.at(one.name);
    for (std::size_t jet = 0; jet + 1 < column.begin.size(); ++jet) {
      const std::vector<double>& expected = golden.values[i][first + jet];
      const std::string name = "jet " + std::to_string(first + jet) + " (" + golden.cases[first + jet] + ")";
      const double nothing = std::numeric_limits<double>::quiet_NaN();
      for (std::size_t k = 0; k < std::max(expected.size(), column.size(jet)); ++k) {
        const bool both = k < expected.size() && k < column.size(jet);
        double value = nothing;
        if (both) value = one.index() ? static_cast<double>(column.index(jet, k)) : column.value(jet, k);
        worst[i].add(one, value, both ? expected[k] : 0, name);
      }
    }
  }
}

// What differs between the names and kinds of the graph and those of the golden jets, empty if nothing.
std::string other_names(const Golden& golden, const salt_like::TaggerSession& session) {
  const auto input = [](const auto& one) {
    return "input '" + one.name + "' of " + std::to_string(one.variables) + " variables" +
           (one.constituents ? " of constituents" : "");
  };
  const auto output = [](const auto& one, bool index) {
    return "output '" + one.name + "' of " + (index ? "indices" : "numbers") +
           (one.constituents.empty() ? "" : " for each of " + one.constituents);
  };
  std::set<std::string> ours, theirs;
  for (const auto& one : session.inputs()) ours.insert(input(one));
  for (const auto& one : session.outputs()) ours.insert(output(one, one.index));
  for (const auto& one : golden.inputs) theirs.insert(input(one));
  for (const auto& one : golden.outputs) theirs.insert(output(one, one.index()));
  std::string text;
  for (const auto& one : ours)
    if (!theirs.count(one)) text += "the graph has " + one + ", the golden jets have not\n";
  for (const auto& one : theirs)
    if (!ours.count(one)) text += "the golden jets have " + one + ", the graph has not\n";
  return text;
}

std::string shown(double value) {
  std::ostringstream text;
  text << std::setprecision(2) << value;
  return text.str();
}

// One line of the table for each output, and where it is wrong; returns whether all is well.
bool report(const Golden& golden, const std::vector<Worst>& alone, const std::vector<Worst>& together, bool batched) {
  std::size_t width = 6;
  for (const Expected& one : golden.outputs) width = std::max(width, one.name.size());
  const auto line = [&](const std::string& name, const std::vector<std::string>& cells) {
    std::cout << std::left << std::setw(static_cast<int>(width)) << name;
    for (const std::string& cell : cells) std::cout << "  " << std::right << std::setw(11) << cell;
    std::cout << '\n';
  };
  std::vector<std::string> heads{"one by one", "together", "logarithm", "of allowed", ""};
  if (!batched) heads.erase(heads.begin() + 1);
  line("output", heads);
  bool passed = true;
  for (std::size_t i = 0; i < golden.outputs.size(); ++i) {
    const Worst &a = alone[i], &b = together[i];
    const bool good = a.wrong + b.wrong == 0, logs = golden.outputs[i].logarithm >= 0;
    std::vector<std::string> cells{shown(a.difference), shown(b.difference),
                                   logs ? shown(std::max(a.logarithm, b.logarithm)) : "",
                                   shown(100 * std::max(a.share, b.share)) + " %", good ? "ok" : "WRONG"};
    if (!batched) cells.erase(cells.begin() + 1);
    line(golden.outputs[i].name, cells);
    if (!good)
      std::cout << "  " << a.wrong + b.wrong << " numbers beyond the tolerance; " << (a.wrong ? a : b).where << '\n';
    passed = passed && good;
  }
  return passed;
}

bool check(const std::filesystem::path& bundle) {
  const Golden golden = read(bundle / "golden.txt");
  const salt_like::TaggerSession session(bundle / "model.onnx");
  std::cout << golden.model << " (" << golden.profile << "), onnxruntime " << session.runtime_version() << ", "
            << golden.jets.size() << " golden jets, largest differences:\n";
  const std::string other = other_names(golden, session);
  if (!other.empty()) {
    std::cout << other << "FAILED\n";
    return false;
  }
  std::vector<Worst> alone(golden.outputs.size()), together(golden.outputs.size());
  for (std::size_t jet = 0; jet < golden.jets.size(); ++jet) compare(golden, session.run_one(golden.jets[jet]), jet, alone);
  if (session.batched()) compare(golden, session.run(golden.jets), 0, together);
  const bool passed = report(golden, alone, together, session.batched()) && !golden.jets.empty();
  std::cout << (passed ? "passed\n" : "FAILED\n");
  return passed;
}

}  // namespace

int main(int count, char** words) {
  try {
    return check(count > 1 ? words[1] : ".") ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\nFAILED\n";
    return EXIT_FAILURE;
  }
}
