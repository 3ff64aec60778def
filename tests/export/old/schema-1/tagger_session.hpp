// TaggerSession: runs the graph of a deployment bundle (model.onnx) on raw jets.
//
// One header, C++17, onnxruntime 1.17 or newer and nothing else; meant to be copied into other code. It asks the runtime
// for version 17 of its interface, so a program built with new headers also runs on old libraries. It uses the C
// interface only and keeps no global state, so code that uses onnxruntime otherwise is not affected.
//
//     salt_like::TaggerSession session("bundle/model.onnx");
//     salt_like::Jet jet;
//     jet["jets"] = {2, {45000.f, 0.3f}};                      // two variables, one row
//     jet["tracks"] = {3, {0.1f, 0.2f, 9.f, 0.f, 0.1f, 8.f}};  // three variables, two tracks; {} for no track
//     float pb = session.run_one(jet).at("GN2_pb").value(0);
//
// Values are raw, in the order and in the units that manifest.json lists: normalisation is inside the graph.
//
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <onnxruntime_c_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace salt_like {

/// The rows of one input: one row for the jet itself, one per constituent (of any number) for everything else.
struct Rows {
  std::size_t variables = 0;  ///< Numbers in a row.
  std::vector<float> values;  ///< Row after row. Not a number means not measured.
};

/// One jet: rows by the name of the input.
using Jet = std::map<std::string, Rows>;

/// One input of the graph.
struct Input {
  std::string name;
  std::size_t variables = 0;  ///< Numbers in a row.
  bool constituents = false;  ///< Whether a jet has any number of rows, instead of one.
};

/// One output of the graph.
struct Output {
  std::string name;
  bool index = false;        ///< Whether it says whole numbers, such as a vertex, instead of real ones.
  std::string constituents;  ///< The input that it has one number for each row of; empty for an output of jets.
};

/// What the graph says in one output about some jets, jet after jet.
struct Column {
  std::vector<float> values;          ///< Of an output of real numbers.
  std::vector<std::int32_t> indices;  ///< Of an output of whole numbers.
  std::vector<std::size_t> begin{0};  ///< Where each jet begins, and the end: one more than there are jets.

  /// How many numbers there are for a jet: 1, the length of a vector, or the number of constituents.
  std::size_t size(std::size_t jet) const { return begin.at(jet + 1) - begin.at(jet); }
  /// The k-th real number of a jet. Throws std::out_of_range where there is none.
  float value(std::size_t jet, std::size_t k = 0) const { return values.at(place(jet, k)); }
  /// The k-th whole number of a jet. Throws std::out_of_range where there is none.
  std::int32_t index(std::size_t jet, std::size_t k = 0) const { return indices.at(place(jet, k)); }

 private:
  std::size_t place(std::size_t jet, std::size_t k) const {
    if (k >= size(jet)) throw std::out_of_range("jet " + std::to_string(jet) + " has no number " + std::to_string(k));
    return begin[jet] + k;
  }
};

/// What the graph says: columns by the name of the output.
using Columns = std::map<std::string, Column>;

namespace detail {

template <class T>
using Release = void(ORT_API_CALL*)(T*);

template <class T>
struct Deleter {
  Release<T> release = nullptr;
  void operator()(T* owned) const { release(owned); }
};

template <class T>
using Owned = std::unique_ptr<T, Deleter<T>>;

}  // namespace detail

/// A graph, ready to run. `run` is const and may be called by many threads at the same time.
class TaggerSession {
 public:
  static constexpr std::uint32_t api_version = 17;

  /// Opens a graph.
  /// @param model    The file model.onnx of a bundle, of any profile.
  /// @param threads  Threads within an operation, 0 for one per core.
  /// @param library  The runtime, for who loads it by hand.
  /// Throws std::runtime_error if the runtime is too old, or the file cannot be read or is not of a bundle.
  explicit TaggerSession(const std::filesystem::path& model, int threads = 1,
                         const OrtApiBase* library = OrtGetApiBase())
      : runtime_version_(library->GetVersionString()), api_(library->GetApi(api_version)) {
    if (!api_) throw std::runtime_error("onnxruntime " + runtime_version_ + " is too old, needed is 1.17 or newer");
    env_ = made<OrtEnv>(api_->ReleaseEnv, api_->CreateEnv, ORT_LOGGING_LEVEL_ERROR, "tagger");
    auto options = made<OrtSessionOptions>(api_->ReleaseSessionOptions, api_->CreateSessionOptions);
    check(api_->SetIntraOpNumThreads(options.get(), threads));
    check(api_->SetInterOpNumThreads(options.get(), 1));
    session_ = made<OrtSession>(api_->ReleaseSession, api_->CreateSession, env_.get(), model.c_str(), options.get());
    memory_ = made<OrtMemoryInfo>(api_->ReleaseMemoryInfo, api_->CreateCpuMemoryInfo, OrtArenaAllocator,
                                  OrtMemTypeDefault);
    check(api_->GetAllocatorWithDefaultOptions(&allocator_));
    const std::string about = metadata("salt_like");
    if (about.empty()) throw std::runtime_error(model.string() + " is not the graph of a bundle: no metadata");
    batched_ = about.find("\"profile\": \"batched\"") != std::string::npos;
    read_inputs();
    read_outputs();
  }
  TaggerSession(TaggerSession&&) = default;
  TaggerSession& operator=(TaggerSession&&) = delete;  // would release the environment before the session

  /// What one jet gives. Throws as the other.
  Columns run_one(const Jet& jet) const { return run(std::vector<Jet>{jet}); }

  /// What some jets give. A graph of profile `batched` takes them in one call, padded to the largest number of
  /// constituents, so sort very large numbers of jets into calls of some hundreds; the others take one after the other.
  /// Throws std::invalid_argument if an input is missing, unknown or has another number of variables, and
  /// std::runtime_error if the runtime fails.
  Columns run(const std::vector<Jet>& jets) const {
    for (const Jet& jet : jets) refuse_wrong(jet);
    Columns columns;
    for (const Output& output : outputs_) columns[output.name];
    if (batched_ && !jets.empty()) call(jets.data(), jets.size(), columns);
    for (std::size_t jet = 0; !batched_ && jet < jets.size(); ++jet) call(&jets[jet], 1, columns);
    return columns;
  }

  const std::vector<Input>& inputs() const { return inputs_; }
  const std::vector<Output>& outputs() const { return outputs_; }
  bool batched() const { return batched_; }                             ///< Whether jets are computed together.
  const std::string& runtime_version() const { return runtime_version_; }

  /// An entry of the metadata in the graph, such as `salt_like` or `gnn_config`; empty where there is none.
  std::string metadata(const std::string& key) const {
    auto all = made<OrtModelMetadata>(api_->ReleaseModelMetadata, api_->SessionGetModelMetadata, session_.get());
    char* text = nullptr;
    check(api_->ModelMetadataLookupCustomMetadataMap(all.get(), allocator_, key.c_str(), &text));
    return taken(text);
  }

 private:
  template <class T>
  using Owned = detail::Owned<T>;
  using Shape = std::vector<std::int64_t>;

  struct Axes {
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    Shape sizes;  // negative for those that are free
    std::vector<std::string> names;
  };

  void check(OrtStatus* status) const {
    if (!status) return;
    const Owned<OrtStatus> owned(status, {api_->ReleaseStatus});
    throw std::runtime_error(std::string("onnxruntime: ") + api_->GetErrorMessage(status));
  }

  template <class T, class Make, class... Arguments>
  Owned<T> made(detail::Release<T> release, Make make, Arguments... arguments) const {
    T* pointer = nullptr;
    check(make(arguments..., &pointer));
    return Owned<T>(pointer, {release});
  }

  std::string taken(char* text) const {
    if (!text) return {};
    std::string copy(text);
    check(api_->AllocatorFree(allocator_, text));
    return copy;
  }

  Axes axes(OrtTypeInfo* pointer) const {
    const Owned<OrtTypeInfo> info(pointer, {api_->ReleaseTypeInfo});
    const OrtTensorTypeAndShapeInfo* tensor = nullptr;
    check(api_->CastTypeInfoToTensorInfo(info.get(), &tensor));
    if (!tensor) throw std::runtime_error("the graph has an input or output that is no tensor");
    Axes found;
    std::size_t rank = 0;
    check(api_->GetTensorElementType(tensor, &found.type));
    check(api_->GetDimensionsCount(tensor, &rank));
    found.sizes.resize(rank);
    std::vector<const char*> names(rank, "");
    check(api_->GetDimensions(tensor, found.sizes.data(), rank));
    check(api_->GetSymbolicDimensions(tensor, names.data(), rank));
    found.names.assign(names.begin(), names.end());
    return found;
  }

  void read_inputs() {
    std::size_t count = 0;
    check(api_->SessionGetInputCount(session_.get(), &count));
    for (std::size_t i = 0; i < count; ++i) {
      char* text = nullptr;
      OrtTypeInfo* info = nullptr;
      check(api_->SessionGetInputName(session_.get(), i, allocator_, &text));
      const std::string name = taken(text);
      check(api_->SessionGetInputTypeInfo(session_.get(), i, &info));
      const Axes found = axes(info);
      fed_.push_back(name);
      if (found.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL) continue;  // a mask, made here
      const bool constituents = batched_ ? found.sizes.size() == 3 : found.sizes.size() == 2 && found.sizes[0] < 0;
      const std::size_t rank = batched_ && constituents ? 3 : 2;
      if (found.type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT || found.sizes.size() != rank || found.sizes.back() < 1)
        throw std::runtime_error("input '" + name + "' of the graph has a type or shape that no bundle has");
      inputs_.push_back({name, static_cast<std::size_t>(found.sizes.back()), constituents});
      axis_.push_back(constituents ? found.names[rank - 2] : "");
    }
  }

  void read_outputs() {
    std::size_t count = 0;
    check(api_->SessionGetOutputCount(session_.get(), &count));
    for (std::size_t i = 0; i < count; ++i) {
      char* text = nullptr;
      OrtTypeInfo* info = nullptr;
      check(api_->SessionGetOutputName(session_.get(), i, allocator_, &text));
      const std::string name = taken(text);
      check(api_->SessionGetOutputTypeInfo(session_.get(), i, &info));
      const Axes found = axes(info);
      const bool index = found.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 ||
                         found.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8;
      if (!index && found.type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
        throw std::runtime_error("output '" + name + "' of the graph has a type that no bundle has");
      std::string constituents;
      const std::size_t first = batched_ ? 1 : 0;  // where the axis of constituents would be
      if (found.sizes.size() > first && found.sizes[first] < 0) {
        const auto same = std::find(axis_.begin(), axis_.end(), found.names[first]);
        if (same == axis_.end())
          throw std::runtime_error("output '" + name + "' of the graph has an axis that no input has");
        constituents = inputs_[static_cast<std::size_t>(same - axis_.begin())].name;
      }
      outputs_.push_back({name, index, constituents});
    }
  }

  void refuse_wrong(const Jet& jet) const {
    for (const Input& input : inputs_) {
      const auto found = jet.find(input.name);
      if (found == jet.end())
        throw std::invalid_argument("input '" + input.name + "' is missing" +
                                    (input.constituents ? "; a jet without any has an empty one" : ""));
      const Rows& rows = found->second;
      if (rows.values.empty() && input.constituents) continue;
      if (rows.variables != input.variables)
        throw std::invalid_argument("input '" + input.name + "' has " + std::to_string(input.variables) +
                                    " variables, given were " + std::to_string(rows.variables));
      if (rows.values.size() % input.variables || (!input.constituents && rows.values.size() != input.variables))
        throw std::invalid_argument("input '" + input.name + "' takes " +
                                    (input.constituents ? "rows" : "one row") + " of " +
                                    std::to_string(input.variables) + " numbers, given were " +
                                    std::to_string(rows.values.size()) + " numbers");
    }
    for (const auto& entry : jet)
      if (std::none_of(inputs_.begin(), inputs_.end(), [&](const Input& one) { return one.name == entry.first; }))
        throw std::invalid_argument("the graph has no input '" + entry.first + "'" + known());
  }

  std::string known() const {
    std::string text;
    for (const Input& input : inputs_) text += (text.empty() ? "; it has: " : ", ") + input.name;
    return text;
  }

  template <class T>
  Owned<OrtValue> tensor(std::vector<T>& values, const Shape& shape, ONNXTensorElementDataType type) const {
    values.reserve(1);  // a tensor of no numbers must not be a null pointer
    return made<OrtValue>(api_->ReleaseValue, api_->CreateTensorWithDataAsOrtValue, memory_.get(),
                          static_cast<void*>(values.data()), values.size() * sizeof(T), shape.data(), shape.size(),
                          type);
  }

  // What goes into one call, by name. The tensors point into the vectors, which a map does not move.
  struct Feeds {
    std::map<std::string, std::vector<float>> numbers;
    std::map<std::string, std::vector<std::uint8_t>> masks;
    std::map<std::string, Owned<OrtValue>> tensors;
    std::map<std::string, std::vector<std::size_t>> counts;  // constituents of each jet
  };

  Feeds feeds(const Jet* jets, std::size_t count) const {
    static_assert(sizeof(bool) == 1, "onnxruntime takes masks of one byte");
    Feeds made;
    for (const Input& input : inputs_) {
      std::vector<std::size_t>& rows = made.counts[input.name];
      for (std::size_t jet = 0; jet < count; ++jet)
        rows.push_back(jets[jet].at(input.name).values.size() / input.variables);
      const std::size_t slots = *std::max_element(rows.begin(), rows.end());
      std::vector<float>& numbers = made.numbers[input.name];
      numbers.assign(count * slots * input.variables, 0.f);
      for (std::size_t jet = 0; jet < count; ++jet) {
        const std::vector<float>& given = jets[jet].at(input.name).values;
        std::copy(given.begin(), given.end(),
                  numbers.begin() + static_cast<std::ptrdiff_t>(jet * slots * input.variables));
      }
      const auto n = static_cast<std::int64_t>(count), length = static_cast<std::int64_t>(slots);
      Shape shape{n, static_cast<std::int64_t>(input.variables)};
      if (input.constituents) shape.front() = length;
      if (input.constituents && batched_) shape.insert(shape.begin(), n);
      made.tensors[input.name] = tensor(numbers, shape, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
      if (!input.constituents || !batched_) continue;
      std::vector<std::uint8_t>& mask = made.masks[input.name];
      mask.assign(count * slots, 0);
      for (std::size_t jet = 0; jet < count; ++jet)
        std::fill_n(mask.begin() + static_cast<std::ptrdiff_t>(jet * slots), rows[jet], std::uint8_t{1});
      made.tensors[input.name + "_valid"] = tensor(mask, {n, length}, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL);
    }
    return made;
  }

  void call(const Jet* jets, std::size_t count, Columns& columns) const {
    const Feeds given = feeds(jets, count);
    std::vector<const char*> in, out;
    std::vector<const OrtValue*> values;
    for (const std::string& name : fed_) {
      const auto found = given.tensors.find(name);
      if (found == given.tensors.end()) throw std::runtime_error("input '" + name + "' of the graph is unknown");
      in.push_back(name.c_str());
      values.push_back(found->second.get());
    }
    for (const Output& output : outputs_) out.push_back(output.name.c_str());
    std::vector<OrtValue*> results(out.size(), nullptr);
    OrtStatus* status = api_->Run(session_.get(), nullptr, in.data(), values.data(), in.size(), out.data(), out.size(),
                                  results.data());
    std::vector<Owned<OrtValue>> owned;
    for (OrtValue* result : results) owned.emplace_back(result, detail::Deleter<OrtValue>{api_->ReleaseValue});
    check(status);
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const auto rows = given.counts.find(outputs_[i].constituents);
      append(owned[i].get(), count, rows == given.counts.end() ? nullptr : &rows->second, columns[outputs_[i].name]);
    }
  }

  // Adds one result, padding left out.
  void append(OrtValue* result, std::size_t count, const std::vector<std::size_t>* rows, Column& column) const {
    OrtTensorTypeAndShapeInfo* pointer = nullptr;
    check(api_->GetTensorTypeAndShape(result, &pointer));
    const Owned<OrtTensorTypeAndShapeInfo> info(pointer, {api_->ReleaseTensorTypeAndShapeInfo});
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    std::size_t size = 0;
    void* data = nullptr;
    check(api_->GetTensorElementType(info.get(), &type));
    check(api_->GetTensorShapeElementCount(info.get(), &size));
    check(api_->GetTensorMutableData(result, &data));
    const std::size_t step = size / count;  // slots of a jet
    if (size % count || (rows && step != *std::max_element(rows->begin(), rows->end())))
      throw std::runtime_error("the graph gave a result of another shape than it says");
    for (std::size_t jet = 0; jet < count; ++jet) {
      const std::size_t from = jet * step, to = from + (rows ? (*rows)[jet] : step);
      if (type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
        const auto* numbers = static_cast<const float*>(data);
        column.values.insert(column.values.end(), numbers + from, numbers + to);
      } else if (type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32) {
        const auto* numbers = static_cast<const std::int32_t*>(data);
        column.indices.insert(column.indices.end(), numbers + from, numbers + to);
      } else {
        const auto* numbers = static_cast<const std::int8_t*>(data);
        column.indices.insert(column.indices.end(), numbers + from, numbers + to);
      }
      column.begin.push_back(column.begin.back() + to - from);
    }
  }

  std::string runtime_version_;
  const OrtApi* api_;
  Owned<OrtEnv> env_;  // the session must go first
  Owned<OrtSession> session_;
  Owned<OrtMemoryInfo> memory_;
  OrtAllocator* allocator_ = nullptr;
  bool batched_ = false;
  std::vector<std::string> fed_;   // everything that the graph takes, masks too
  std::vector<Input> inputs_;      // what the user gives
  std::vector<std::string> axis_;  // of each of those, the name of its axis of constituents
  std::vector<Output> outputs_;
};

}  // namespace salt_like
