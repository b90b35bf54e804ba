#include "binding/model.h"

#include <utility>

#include "binding/addon_data.h"
#include "binding/arguments.h"
#include "binding/errors.h"
#include "binding/logits_hook.h"
#include "binding/results.h"
#include "binding/session.h"
#include "binding/token_window.h"

namespace ggml_transformers {

namespace {

// What tells a NativeModel from any other object.
constexpr napi_type_tag model_tag = type_tag(0x51d08f6b2c9e47a3u, 0xe7348b1fa06cd925u);

// What the constructor's External holds.
struct Construction {
    AddonData::EngineId id;
    std::shared_ptr<Engine> engine;
};

// Opens a task, starts the work and returns { promise, cancel }. When the work cannot start, no promise is
// left.
template <class T, class Start>
Napi::Value start_task(Napi::Env env, const Napi::Function& on_event, Dispatcher::ToValue<T> to_value,
                       const std::shared_ptr<Engine>& engine, Start&& start) {
    const std::shared_ptr<Dispatcher> dispatcher = AddonData::of(env).dispatcher;
    const Dispatcher::TaskId id = dispatcher->open(env, on_event);
    try {
        CancelToken cancel = start(id, Dispatcher::settle<T>(dispatcher, id, std::move(to_value)));
        return dispatcher->task_object(env, id, [cancel, engine]() mutable {
            cancel.cancel();
            engine->wake();
        });
    } catch (...) {
        dispatcher->forget(env, id);
        throw;
    }
}

// Arrays of `object` that the engine fills: however large they are, nothing is left to copy on the JavaScript
// thread. Their pages are not touched here.
OutputMemory arrays_of(Napi::Env env, const Napi::Object& object) {
    return [env, object](const char* name, size_t count) {
        Napi::Float32Array array = Napi::Float32Array::New(env, count);
        if (array.IsEmpty() || env.IsExceptionPending()) {
            if (env.IsExceptionPending()) env.GetAndClearPendingException();
            throw Error(ErrorCode::OutOfMemory,
                        "The results cannot be allocated (fewer outputs or texts at a time need less)")
                .with("required", static_cast<double>(count * sizeof(float)));
        }
        Napi::Object(object).Set(name, array);
        return array.Data();
    };
}

// { tokens, ngramSize } or { tokens, model }
void add_drafter(const Napi::Object& drafting, const std::shared_ptr<Engine>& target,
                 GenerateRequest& request) {
    constexpr int64_t most = 1024;
    request.draft_tokens = to_integer(get_property(drafting, "tokens"), "drafting.tokens", 1, most);
    const Napi::Value model = get_property(drafting, "model");
    if (!model.IsUndefined()) {
        request.drafter = make_model_drafter(NativeModel::of(model, "drafting.model"), target);
        return;
    }
    const Napi::Value ngram = get_property(drafting, "ngramSize");
    request.drafter = std::make_unique<LookupDrafter>(to_integer(ngram, "drafting.ngramSize", 1, most));
}

Napi::Function optional_function(const Napi::CallbackInfo& info, size_t index, const char* name) {
    return info[index].IsUndefined() ? Napi::Function() : to_function(info[index], name);
}

}  // namespace

Napi::Function NativeModel::define(Napi::Env env) {
    return DefineClass(
        env, "NativeModel",
        {InstanceAccessor<&NativeModel::device>("device", napi_enumerable),
         InstanceAccessor<&NativeModel::threads>("threads", napi_enumerable),
         InstanceAccessor<&NativeModel::heads>("heads", napi_enumerable),
         InstanceMethod<&NativeModel::memory>("memory"), InstanceMethod<&NativeModel::encode>("encode"),
         InstanceMethod<&NativeModel::generate>("generate"), InstanceMethod<&NativeModel::logits>("logits"),
         InstanceMethod<&NativeModel::score>("score"),
         InstanceMethod<&NativeModel::beam_search>("beamSearch"),
         InstanceMethod<&NativeModel::create_session>("createSession"),
         InstanceMethod<&NativeModel::profile>("profile"), InstanceMethod<&NativeModel::dispose>("dispose")});
}

NativeModel::NativeModel(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeModel>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
        Napi::TypeError::New(info.Env(), "NativeModel is made by loadModel").ThrowAsJavaScriptException();
        return;
    }
    const auto* construction = info[0].As<Napi::External<Construction>>().Data();
    id_ = construction->id;
    engine_ = construction->engine;
    info.This().As<Napi::Object>().TypeTag(&model_tag);
    announce_memory(info.Env());
}

void NativeModel::announce_memory(Napi::Env env) {
    announced_bytes_ = static_cast<int64_t>(engine_->memory().weights.load());
    Napi::MemoryManagement::AdjustExternalMemory(env, announced_bytes_);
}

void NativeModel::renounce_memory(Napi::Env env) {
    Napi::MemoryManagement::AdjustExternalMemory(env, -std::exchange(announced_bytes_, 0));
}

NativeModel::~NativeModel() {
    // Collected without being disposed: the thread ends by itself, the environment's table waits for it.
    if (!engine_) return;
    engine_->request_stop();
    renounce_memory(Env());
}

std::shared_ptr<Engine> NativeModel::of(const Napi::Value& value, const std::string& name) {
    const Napi::Object object = to_object(value, name);
    if (object.CheckTypeTag(&model_tag)) return Unwrap(object)->engine_;
    throw Error(ErrorCode::InvalidArgument, "Expected " + name + " to be a model").with("name", name);
}

Napi::Value NativeModel::device(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), engine_->device());
}

Napi::Value NativeModel::threads(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), engine_->threads());
}

Napi::Value NativeModel::heads(const Napi::CallbackInfo& info) {
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("pooler", engine_->heads().pooler);
    object.Set("mlm", engine_->heads().mlm);
    object.Set("nextSentence", engine_->heads().next_sentence);
    object.Set("sequenceLabels", static_cast<double>(engine_->heads().sequence_labels));
    object.Set("tokenLabels", static_cast<double>(engine_->heads().token_labels));
    object.Set("questionAnswering", engine_->heads().question_answering);
    object.Set("replacedTokens", engine_->heads().replaced_tokens);
    return object;
}

Napi::Value NativeModel::memory(const Napi::CallbackInfo& info) {
    const EngineMemory& memory = engine_->memory();
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("mapped", static_cast<double>(memory.mapped));
    object.Set("weights", static_cast<double>(memory.weights));
    object.Set("activations", static_cast<double>(memory.activations));
    object.Set("kvCache", static_cast<double>(memory.kv_cache->load()));
    return object;
}

Napi::Value NativeModel::profile(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        const Profile* profile = engine_->profile();
        return profile == nullptr ? info.Env().Undefined() : profile_to_js(info.Env(), profile->report());
    });
}

Napi::Value NativeModel::encode(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        EncodeRequest request = to_encode_request(info[0]);
        const Napi::Object outputs = Napi::Object::New(info.Env());
        return start_task<EncodeResult>(info.Env(), Napi::Function(), encode_result, engine_,
                                        [&](Dispatcher::TaskId id, Completion<EncodeResult> completion) {
                                            AddonData::of(info.Env()).dispatcher->hold(id, outputs);
                                            return engine_->encode(std::move(request), std::move(completion),
                                                                   arrays_of(info.Env(), outputs));
                                        });
    });
}

Napi::Value NativeModel::generate(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        GenerateRequest request = to_generate_request(info[0]);
        const Napi::Value exchange = info[0].As<Napi::Object>().Get("logitsExchange");
        const Napi::Value session = info[0].As<Napi::Object>().Get("session");
        const Napi::Value window = info[0].As<Napi::Object>().Get("window");
        if (!session.IsUndefined()) request.session = NativeSession::of(session, "session");
        const Napi::Value drafting = info[0].As<Napi::Object>().Get("drafting");
        if (!drafting.IsUndefined()) add_drafter(to_object(drafting, "drafting"), engine_, request);
        const Napi::Function on_token = optional_function(info, 1, "onToken");
        return start_task<GenerateResult>(
            info.Env(), on_token, generate_result, engine_,
            [&](Dispatcher::TaskId id, Completion<GenerateResult> completion) {
                if (!window.IsUndefined()) {
                    const auto reader = NativeTokenWindow::open(window, id, engine_);
                    request.window = reader->window();
                    request.on_pause = [reader, dispatcher = AddonData::of(info.Env()).dispatcher] {
                        dispatcher->post([reader](Napi::Env env, Dispatcher& d) { reader->paused(env, d); });
                    };
                }
                if (!on_token.IsEmpty()) {
                    request.on_token = [id, dispatcher = AddonData::of(info.Env()).dispatcher](
                                           int32_t token, float logprob) {
                        dispatcher->post([id, token, logprob](Napi::Env env, Dispatcher& d) {
                            d.event(env, id, {static_cast<double>(token), static_cast<double>(logprob)});
                        });
                    };
                }
                if (!exchange.IsUndefined()) {
                    request.logits_hook =
                        open_logits_hook(to_object(exchange, "logitsExchange"), id, engine_);
                }
                return engine_->generate(std::move(request), std::move(completion));
            });
    });
}

Napi::Value NativeModel::beam_search(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        BeamRequest request = to_beam_request(info[0]);
        const Napi::Function on_step = optional_function(info, 1, "onStep");
        return start_task<BeamResult>(
            info.Env(), on_step, beam_result, engine_,
            [&](Dispatcher::TaskId id, Completion<BeamResult> completion) {
                if (!on_step.IsEmpty()) {
                    request.on_step = [id,
                                       dispatcher = AddonData::of(info.Env()).dispatcher](int64_t tokens) {
                        dispatcher->post([id, tokens](Napi::Env env, Dispatcher& d) {
                            d.event(env, id, {static_cast<double>(tokens)});
                        });
                    };
                }
                return engine_->beam_search(std::move(request), std::move(completion));
            });
    });
}

Napi::Value NativeModel::logits(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        LogitsRequest request{to_ids(info[0], "ids")};
        return start_task<LogitsResult>(
            info.Env(), Napi::Function(),
            [](Napi::Env env, const LogitsResult& result, const Napi::Object&) {
                return to_js(env, result.logits);
            },
            engine_,
            [&](Dispatcher::TaskId, Completion<LogitsResult> completion) {
                return engine_->logits(std::move(request), std::move(completion));
            });
    });
}

Napi::Value NativeModel::score(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        ScoreRequest request = to_score_request(info[0]);
        return start_task<ScoreResult>(info.Env(), Napi::Function(), score_result, engine_,
                                       [&](Dispatcher::TaskId, Completion<ScoreResult> completion) {
                                           return engine_->score(std::move(request), std::move(completion));
                                       });
    });
}

Napi::Value NativeModel::create_session(const Napi::CallbackInfo& info) {
    return guarded(info, [&] {
        const std::string type = info[0].IsUndefined() ? "f32" : to_text(info[0], "kvType");
        const auto create = [&](ggml_type kept) {
            return NativeSession::create(info.Env(), engine_->create_session(kept));
        };
        if (type == "f32") return create(GGML_TYPE_F32);
        if (type == "f16") return create(GGML_TYPE_F16);
        if (type == "q8_0") return create(GGML_TYPE_Q8_0);
        throw wrong_argument("f32, f16 or q8_0", "kvType");
    });
}

Napi::Value NativeModel::dispose(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        const Napi::Env env = info.Env();
        AddonData& data = AddonData::of(env);
        const auto found = data.engines.find(id_);
        if (found == data.engines.end()) {  // it has ended
            const Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
            deferred.Resolve(env.Undefined());
            return deferred.Promise();
        }
        const Dispatcher::TaskId task = data.dispatcher->open(env, Napi::Function());
        found->second.disposals.push_back(task);
        engine_->request_stop();
        renounce_memory(env);
        return data.dispatcher->task_object(env, task, nullptr).Get("promise");
    });
}

namespace {

// On the JavaScript thread, when loading has ended one way or the other.
void finish_load(Napi::Env env, Dispatcher& dispatcher, Dispatcher::TaskId task, AddonData::EngineId id,
                 const std::optional<Error>& error) {
    AddonData& data = AddonData::of(env);
    const auto found = data.engines.find(id);
    if (error) {
        dispatcher.reject(env, task, *error);
    } else if (found == data.engines.end() || found->second.load_cancelled) {
        dispatcher.reject(env, task, aborted());
    } else {
        Construction construction{id, found->second.engine};
        dispatcher.resolve(env, task, [&](Napi::Env e) -> Napi::Value {
            return data.model_class.New({Napi::External<Construction>::New(e, &construction)});
        });
    }
}

// The thread has said its last word: wait for it, forget it, tell who asked for its end.
void finish_engine(Napi::Env env, Dispatcher& dispatcher, AddonData::EngineId id) {
    AddonData& data = AddonData::of(env);
    const auto found = data.engines.find(id);
    if (found == data.engines.end()) return;
    const AddonData::Entry entry = std::move(found->second);
    data.engines.erase(found);
    entry.engine->join();
    for (const Dispatcher::TaskId task : entry.disposals) {
        dispatcher.resolve(env, task, [](Napi::Env e) { return e.Undefined(); });
    }
}

EngineEvents make_events(const std::shared_ptr<Dispatcher>& dispatcher, Dispatcher::TaskId task,
                         AddonData::EngineId id) {
    EngineEvents events;
    events.progress = [dispatcher, task](double fraction) {
        dispatcher->post([task, fraction](Napi::Env env, Dispatcher& d) { d.event(env, task, {fraction}); });
    };
    events.loaded = [dispatcher, task, id](std::optional<Error> error) {
        dispatcher->post([task, id, error = std::move(error)](Napi::Env env, Dispatcher& d) {
            finish_load(env, d, task, id, error);
        });
    };
    events.exited = [dispatcher, id] {
        dispatcher->post([id](Napi::Env env, Dispatcher& d) { finish_engine(env, d, id); });
    };
    return events;
}

}  // namespace

Napi::Value load_model(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        const Napi::Env env = info.Env();
        ModelSpec spec = to_model_spec(info[0]);
        LoadOptions options = to_load_options(info[1]);
        const Napi::Function on_progress = optional_function(info, 2, "onProgress");
        AddonData& data = AddonData::of(env);
        const AddonData::EngineId id = data.next_engine++;
        const Dispatcher::TaskId task = data.dispatcher->open(env, on_progress);
        try {
            AddonData::Entry& entry = data.engines[id];
            entry.engine = std::make_shared<Engine>(std::move(spec), std::move(options),
                                                    make_events(data.dispatcher, task, id));
            return data.dispatcher->task_object(env, task, [&data, id] {
                const auto found = data.engines.find(id);
                if (found == data.engines.end()) return;
                found->second.load_cancelled = true;
                found->second.engine->request_stop();
            });
        } catch (...) {
            data.engines.erase(id);
            data.dispatcher->forget(env, task);
            throw;
        }
    });
}

}  // namespace ggml_transformers
