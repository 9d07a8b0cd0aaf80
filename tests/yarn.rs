//! Readers on a cluster: real processes in containers of a ResourceManager and NodeManagers that are in the test.

use warcdl_yarn::fake::{Cluster, Fault, Options};
use warcdl_yarn::{AM_RM_TOKEN, ContainerId, Resource};

use crate::archive::{crawl, write_gz};
use crate::held_node::Holder;
use crate::node::{PROGRAM, Running, gpu, stderr, to_its_end};
use crate::s3_server::serve;
use crate::yarn_setting::{Setting, idle_readers};

#[test]
fn readers_on_a_cluster_find_what_local_ones_find_and_nothing_is_left_of_them() {
    let setting = Setting::new(|processes| processes);
    let output = setting
        .gpu("source.s3.access_key_id = \"AKIATEST\"\nsource.s3.secret_access_key = \"not-to-be-seen\"");
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for line in ["yarn: submitted application_", "yarn: ACCEPTED", "yarn: FINISHED (SUCCEEDED)"] {
        assert!(told.lines().any(|told| told.starts_with(line)), "{line} is not in {told}");
    }
    assert!(told.contains("started on"), "{told}");
    assert!(setting.wait(|cluster| cluster.running().is_empty()), "{:?}", setting.cluster.running());
    assert!(!setting.folder.path("results/yarn.json").exists());
    let rows = setting.rows();
    assert_eq!(rows.len(), 70);

    let started = setting.started.lock().unwrap().clone();
    let (masters, readers): (Vec<_>, Vec<_>) =
        started.iter().partition(|container| container.command.contains("--role am"));
    assert_eq!(masters.len(), 1);
    assert!(readers.len() >= 2, "{readers:?}");
    for container in &started {
        let open = format!("{} {:?} {:?}", container.command, container.environment, container.files);
        assert!(!open.contains("not-to-be-seen"), "{open}");
        let secret = &container.credentials.secrets["warcdl.secret"];
        assert!(!open.contains(&*String::from_utf8_lossy(secret)), "{open}");
        assert!(
            String::from_utf8_lossy(&container.credentials.secrets["warcdl.s3"]).contains("not-to-be-seen")
        );
    }
    assert!(masters[0].credentials.token(AM_RM_TOKEN).is_some());
    for reader in readers {
        assert!(reader.credentials.token(AM_RM_TOKEN).is_none());
        assert!(!reader.credentials.secrets.contains_key("warcdl.master"));
    }
    assert_eq!(setting.local_rows(), rows);
}

/// Address and keys that only the GPU node's machine knows, from its environment and `~/.aws`.
#[test]
fn readers_on_a_cluster_reach_the_bucket_that_the_gpu_node_reaches() {
    let setting = Setting::new(|processes| processes);
    let folder = &setting.folder;
    std::fs::create_dir_all(folder.path("s3/bucket")).unwrap();
    write_gz(&folder.path("s3/bucket/a.warc.gz"), &crawl("s3", 25));
    let endpoint = setting.runtime.block_on(serve(&folder.path("s3"), Some("secret")));
    std::fs::create_dir(folder.path(".aws")).unwrap();
    let keys = "[archive]\naws_access_key_id = key\naws_secret_access_key = secret\nregion = eu-central-1\n";
    std::fs::write(folder.path(".aws/credentials"), keys).unwrap();
    let mut command = setting.command();
    command.env("HOME", folder.path("")).env("AWS_PROFILE", "archive").env("AWS_ENDPOINT_URL", endpoint);
    command.args(["--role", "gpu", "--set", "source.paths=[\"s3://bucket/\"]", "--config"]);
    let output = to_its_end(command.arg(setting.config("")));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(setting.rows().len(), 25);
    for container in setting.started.lock().unwrap().iter() {
        assert!(container.credentials.secrets.contains_key("warcdl.s3"));
    }
}

#[test]
fn the_master_may_work_in_the_gpu_nodes_process_and_the_program_lie_on_the_nodes() {
    let setting = Setting::new(|processes| processes);
    let output = setting.gpu_with(&["-q"], "yarn.am = \"unmanaged\"\nyarn.staging = \"file\"");
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("yarn: submitted"), "{told}");
    assert!(!told.contains("started on"), "nothing is wrong with that: {told}");
    assert!(setting.wait(|cluster| cluster.running().is_empty()), "{:?}", setting.cluster.running());
    assert!(
        setting.started.lock().unwrap().iter().all(|container| container.command.contains("--role reader"))
    );
    assert_eq!(setting.rows().len(), 70);
}

/// A slow model may take minutes over what was read: readers that were started meanwhile would find nothing to do.
#[test]
fn no_readers_are_wanted_once_all_is_read() {
    let Some(holder) = Holder::of("yarn::no_readers_are_wanted_once_all_is_read") else { return };
    let setting = Setting::new(|processes| processes);
    let config = setting.config(&format!("yarn.artifact = {PROGRAM:?}"));
    let mut node = holder.start(&config, &[("HADOOP_CONF_DIR", &setting.folder.path("conf"))]);
    node.line(|line| (line == "yarn: all is read: no more readers are wanted").then_some(()));
    let refused = stderr(&setting.yarn(&["scale", "4"]));
    assert!(refused.contains("the run is ending"), "{refused}");
    // Only the master is left.
    assert!(setting.wait(|cluster| cluster.running().len() == 1), "{:?}", setting.cluster.running());
    drop(holder);
    node.line(|line| (line == "yarn: FINISHED (SUCCEEDED)").then_some(()));
    assert_eq!(node.wait(), Some(0));
    assert_eq!(setting.rows().len(), 70);
}

#[test]
fn what_dies_is_replaced_restarts_are_survived_and_an_operator_scales_and_kills() {
    let setting = Setting::new(idle_readers);
    setting.configure("core-site.xml", &[("yarn.http.policy", "HTTPS_ONLY")]);
    let config = setting.config("");
    let mut node = Running::start(setting.command().args(["--role", "gpu", "--config"]).arg(&config));
    let application = node.line(|line| line.strip_prefix("yarn: submitted ").map(str::to_owned));
    node.line(|line| line.starts_with("yarn: RUNNING after ").then_some(()));
    assert!(setting.wait(|cluster| cluster.running().len() == 3), "{:?}", setting.cluster.running());
    // The first container is the master's.
    let reader = setting.cluster.running().into_iter().max().unwrap();
    setting.cluster.end_container(reader, -104, "2.1 GB of 2 GB physical memory used");
    let death = node.line(|line| line.contains("exited -104").then(|| line.to_owned()));
    assert!(death.starts_with(&format!("yarn: reader {reader} on ")), "{death}");
    assert!(death.contains("raise yarn.reader_memory_mb"), "{death}");
    assert!(death.contains("   log https://127.0.0."), "{death}");
    assert!(setting.wait(|cluster| cluster.running().len() == 3), "{:?}", setting.cluster.running());

    let before = setting.cluster.running();
    setting.cluster.restart_resource_manager(false);
    node.line(|line| line.contains("the ResourceManager was restarted; the readers run on").then_some(()));
    assert_eq!(setting.cluster.running(), before);

    let scaled = setting.yarn(&["scale", "4"]);
    assert_eq!(scaled.status.code(), Some(0), "{}", stderr(&scaled));
    node.line(|line| (line == "yarn: 4 readers are wanted").then_some(()));
    assert!(setting.wait(|cluster| cluster.running().len() == 5), "{:?}", setting.cluster.running());
    assert_eq!(setting.yarn(&["scale", "1"]).status.code(), Some(0));
    assert!(setting.wait(|cluster| cluster.running().len() == 2), "{:?}", setting.cluster.running());

    let status = setting.yarn(&["status"]);
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(text.contains(&application) && text.contains("RUNNING"), "{text}");
    let killed = setting.yarn(&["kill"]);
    assert!(String::from_utf8_lossy(&killed.stdout).contains("KILLED"), "{}", stderr(&killed));
    node.line(|line| line.starts_with("yarn: KILLED").then_some(()));
    assert_eq!(node.wait(), Some(7));
    assert!(setting.wait(|cluster| cluster.running().is_empty()), "{:?}", setting.cluster.running());
}

#[test]
fn another_resource_manager_takes_over_in_the_middle_of_a_job() {
    let options = Options { resource_managers: 2, ..Options::default() };
    let setting = Setting::with(options, idle_readers);
    let config = setting.config("");
    let mut node = Running::start(setting.command().args(["--role", "gpu", "--config"]).arg(&config));
    let application = node.line(|line| line.strip_prefix("yarn: submitted ").map(str::to_owned));
    node.line(|line| line.contains("registered with the ResourceManager").then_some(()));
    assert!(setting.wait(|cluster| cluster.running().len() == 3), "{:?}", setting.cluster.running());
    let before = setting.cluster.running();
    setting.cluster.fail_over(1);
    node.line(|line| line.contains("the ResourceManager was restarted; the readers run on").then_some(()));
    assert_eq!(setting.cluster.running(), before);
    // All three ways are open to the other one: the master's, the operator's, and the GPU node's.
    assert_eq!(setting.yarn(&["scale", "4"]).status.code(), Some(0));
    assert!(setting.wait(|cluster| cluster.running().len() == 5), "{:?}", setting.cluster.running());
    let status = setting.yarn(&["status"]);
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(text.contains(&application) && text.contains("RUNNING"), "{text}{}", stderr(&status));
    node.signal("INT");
    node.line(|line| line.contains("once more to stop at once").then_some(()));
    node.signal("INT");
    node.line(|line| line.starts_with("yarn: KILLED").then_some(()));
    assert_eq!(node.wait(), Some(130));
    assert!(setting.wait(|cluster| cluster.running().is_empty()), "{:?}", setting.cluster.running());
}

/// What is read after the takeover is in the results as well.
#[test]
fn a_job_that_two_resource_managers_served_is_complete() {
    let Some(holder) = Holder::of("yarn::a_job_that_two_resource_managers_served_is_complete") else {
        return;
    };
    let options = Options { resource_managers: 2, ..Options::default() };
    let setting = Setting::with(options, |processes| processes);
    let config = setting.config(&format!("yarn.artifact = {PROGRAM:?}"));
    let mut node = holder.start(&config, &[("HADOOP_CONF_DIR", &setting.folder.path("conf"))]);
    node.line(|line| line.contains("started on").then_some(()));
    setting.cluster.fail_over(1);
    node.line(|line| line.contains("the ResourceManager was restarted; the readers run on").then_some(()));
    drop(holder);
    node.line(|line| (line == "yarn: FINISHED (SUCCEEDED)").then_some(()));
    assert_eq!(node.wait(), Some(0));
    assert_eq!(setting.rows().len(), 70);
}

#[test]
fn a_master_that_was_replaced_leaves_its_readers_to_the_next_one() {
    let setting = Setting::new(idle_readers);
    let config = setting.config("");
    let mut node = Running::start(setting.command().args(["--role", "gpu", "--config"]).arg(&config));
    assert!(setting.wait(|cluster| cluster.running().len() == 3), "{:?}", setting.cluster.running());
    let before = setting.cluster.running();
    let (master, readers) = (before.iter().min().unwrap(), &before[..]);
    node.line(|line| line.contains("started on").then_some(()));
    // It lives on: it is its node that was lost.
    {
        let _runtime = setting.runtime.enter();
        setting.cluster.replace_master(master.attempt.application);
    }
    node.line(|line| line.ends_with("; 2 readers run on").then_some(()));
    let is_replaced = |cluster: &Cluster| {
        let running = cluster.running();
        let kept = readers.iter().filter(|id| running.contains(id)).count();
        running.len() == 3 && kept == 2 && !running.contains(master)
    };
    assert!(setting.wait(is_replaced), "{:?}", setting.cluster.running());
    node.signal("INT");
    node.line(|line| ["yarn: FINISHED (KILLED)", "yarn: KILLED (KILLED)"].contains(&line).then_some(()));
    assert_eq!(node.wait(), Some(130));
    assert!(setting.wait(|cluster| cluster.running().is_empty()), "{:?}", setting.cluster.running());
}

#[test]
fn a_signal_ends_the_application_in_order() {
    let setting = Setting::new(idle_readers);
    let config = setting.config("");
    let mut node = Running::start(setting.command().args(["--role", "gpu", "--config"]).arg(&config));
    assert!(setting.wait(|cluster| cluster.running().len() == 3), "{:?}", setting.cluster.running());
    node.line(|line| line.contains("registered with the ResourceManager").then_some(()));
    // Those that would not go by themselves: they would be waited for nearly as long as the application is.
    let readers: Vec<_> = setting.cluster.running().into_iter().filter(|id| id.id > 1).collect();
    node.signal("INT");
    node.line(|line| line.contains("once more to stop at once").then_some(()));
    readers.into_iter().for_each(|reader| setting.cluster.end_container(reader, 0, ""));
    node.line(|line| (line == "yarn: FINISHED (KILLED)").then_some(()));
    assert_eq!(node.wait(), Some(130));
    assert!(setting.wait(|cluster| cluster.running().is_empty()), "{:?}", setting.cluster.running());
}

/// Nor does a ResourceManager that is silent hold up the end, which could last two minutes.
#[test]
fn an_application_that_cannot_be_killed_is_named_and_left() {
    for third in [true, false] {
        let setting = Setting::new(idle_readers);
        let config = setting.config("");
        let mut node = Running::start(setting.command().args(["--role", "gpu", "--config"]).arg(&config));
        let application = node.line(|line| line.strip_prefix("yarn: submitted ").map(str::to_owned));
        assert!(setting.wait(|cluster| cluster.running().len() == 3), "{:?}", setting.cluster.running());
        node.line(|line| line.contains("registered with the ResourceManager").then_some(()));
        // It can neither end in order nor be said to be dead.
        for _ in 0..500 {
            let away = Fault::Exception("java.io.IOException", "the store is away");
            setting.cluster.inject("finishApplicationMaster", away);
        }
        setting.cluster.inject("forceKillApplication", Fault::Silence);
        node.signal("INT");
        node.line(|line| line.contains("once more to stop at once").then_some(()));
        node.signal("INT");
        let killed = format!("yarn: {application} is killed: ");
        node.line(|line| line.starts_with(&killed).then_some(()));
        if third {
            node.signal("INT");
        }
        let left = node.line(|line| line.contains("was not killed").then(|| line.to_owned()));
        let why = if third { "it is not waited for" } else { "it is not over after 10 s" };
        let cure = format!("was not killed: {why}; run warcdl-node yarn kill {application}");
        assert!(left.contains(&cure), "{left}");
        assert_eq!(node.wait(), Some(130));
        assert!(setting.folder.path("results/yarn.json").exists());
    }
}

#[test]
fn a_signal_while_the_application_is_submitted_ends_it_too() {
    let setting = Setting::new(idle_readers);
    let mut node = setting.submitting();
    node.signal("INT");
    setting.cluster.break_connections();
    node.line(|line| (line == "yarn: FINISHED (KILLED)" || line == "yarn: KILLED (KILLED)").then_some(()));
    assert_eq!(node.wait(), Some(130));
    assert!(setting.wait(|cluster| cluster.running().is_empty()), "{:?}", setting.cluster.running());
}

/// What is left of it is named for who ends it.
#[test]
fn a_second_signal_does_not_wait_for_the_submission() {
    let setting = Setting::new(idle_readers);
    let mut node = setting.submitting();
    node.signal("INT");
    node.line(|line| line.contains("once more to stop at once").then_some(()));
    node.signal("INT");
    assert_eq!(node.wait(), Some(130));
    let killed = setting.yarn(&["kill"]);
    assert_eq!(killed.status.code(), Some(0), "{}", stderr(&killed));
    assert!(setting.wait(|cluster| cluster.running().is_empty()), "{:?}", setting.cluster.running());
}

#[test]
fn the_application_of_a_run_that_broke_off_is_ended_by_the_run_that_takes_its_folder() {
    for overwrite in [false, true] {
        let setting = Setting::new(idle_readers);
        let config = setting.config(&format!("yarn.gpu_grace_s = 3600\noutput.overwrite = {overwrite}"));
        let start = || Running::start(setting.command().args(["--role", "gpu", "--config"]).arg(&config));
        let submitted =
            |node: &Running| node.line(|line| line.strip_prefix("yarn: submitted ").map(str::to_owned));
        let mut first = start();
        let left = submitted(&first);
        assert!(setting.wait(|cluster| cluster.running().len() == 3), "{:?}", setting.cluster.running());
        // As long as its owner lives, it is nobody else's.
        assert_eq!(start().wait(), Some(73));
        assert_eq!(setting.cluster.running().len(), 3);
        assert!(setting.folder.path("results/yarn.json").exists());
        first.kill();
        let mut second = start();
        let ended = format!("yarn: {left} of the run before still goes on; it is killed");
        second.line(|line| (line == ended).then_some(()));
        let application = submitted(&second);
        let of_second = |id: &ContainerId| id.attempt.application.to_string() == application;
        let only_of_second = |cluster: &Cluster| {
            let running = cluster.running();
            running.len() == 3 && running.iter().all(of_second)
        };
        assert!(setting.wait(only_of_second), "{:?}", setting.cluster.running());
        second.line(|line| line.contains("registered with the ResourceManager").then_some(()));
        second.signal("TERM");
        assert_eq!(second.wait(), Some(130));
        assert!(setting.wait(|cluster| cluster.running().is_empty()), "{:?}", setting.cluster.running());
    }
}

#[test]
fn the_application_of_a_run_that_broke_off_is_ended_even_if_nothing_is_left_to_read() {
    let setting = Setting::new(idle_readers);
    let config = setting.config("yarn.gpu_grace_s = 3600");
    let mut first = Running::start(setting.command().args(["--role", "gpu", "--config"]).arg(&config));
    assert!(setting.wait(|cluster| cluster.running().len() == 3), "{:?}", setting.cluster.running());
    first.kill();
    // What it was to read is read here, meanwhile.
    assert_eq!(gpu(&config, &["--set", "launcher=\"local\""]).status.code(), Some(0));
    let output = setting.gpu("");
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("of the run before still goes on; it is killed"), "{told}");
    assert!(!told.contains("yarn: submitted"), "{told}");
    assert!(setting.wait(|cluster| cluster.running().is_empty()), "{:?}", setting.cluster.running());
    assert!(!setting.folder.path("results/yarn.json").exists());
}

#[test]
fn an_application_whose_submission_fails_does_not_go_on() {
    let setting = Setting::new(|processes| processes);
    let broken = || Fault::Exception("java.io.IOException", "the store is away");
    // Its master starts although nobody serves the program any more.
    let file = "yarn.staging = \"file\"";
    let state = setting.folder.path("results/yarn.json");
    for can_be_killed in [true, false] {
        setting.cluster.inject("getApplicationReport", broken());
        if !can_be_killed {
            setting.cluster.inject("forceKillApplication", broken());
        }
        let output = setting.gpu(file);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(7), "{told}");
        assert!(told.contains("the store is away"), "{told}");
        assert_eq!(told.contains("run warcdl-node yarn kill application_"), !can_be_killed, "{told}");
        assert_eq!(state.exists(), !can_be_killed);
    }
    // The one that could not be killed is still named, and ended by the next run.
    let output = setting.gpu(file);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("of the run before still goes on; it is killed"), "{}", stderr(&output));
    assert!(setting.wait(|cluster| cluster.running().is_empty()), "{:?}", setting.cluster.running());
}

#[test]
fn a_queue_that_is_not_there_is_for_the_resource_manager_to_make_or_to_refuse() {
    let setting = Setting::new(idle_readers);
    let output = setting.gpu("yarn.queue = \"nope\"");
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("yarn: warning: the cluster shows no queue \"nope\""), "{told}");
    for part in ["submitted to unknown queue: nope", "set yarn.queue to one of default"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!told.contains("yarn: submitted"), "{told}");
    assert!(setting.containers().is_empty());
    assert!(!setting.folder.path("results/yarn.json").exists());

    let setting = Setting::with(Options { makes_queues: true, ..Options::default() }, |processes| processes);
    let output = setting.gpu("yarn.queue = \"root.users.tester\"");
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("yarn: ACCEPTED in queue root.users.tester"), "{told}");
}

#[test]
fn what_the_cluster_cannot_do_is_said_before_anything_is_submitted() {
    let setting = Setting::new(idle_readers);
    let refused = |more: &str, parts: &[&str]| {
        let output = setting.gpu(more);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(parts.iter().all(|part| told.contains(part)), "{told}");
        assert!(!told.contains("submitted"), "{told}");
    };
    refused("yarn.reader_vcores = 1000", &["yarn.reader_memory_mb", "1000 cores", "8 cores"]);
    refused("yarn.nodes_glibc = \"2.3\"", &["glibc", "2.3 by yarn.nodes_glibc", "make portable"]);
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    refused(&format!("yarn.artifact = {manifest:?}"), &["no ELF program", "yarn.artifact"]);

    let mut unset = setting.command();
    unset.env_remove("HADOOP_CONF_DIR").env_remove("YARN_CONF_DIR").env_remove("HADOOP_HOME");
    let output = to_its_end(unset.args(["--role", "gpu", "--config"]).arg(setting.config("")));
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("HADOOP_CONF_DIR"), "{}", stderr(&output));
    assert!(setting.containers().is_empty());
    let node = Resource { memory_mb: 4096, vcores: 8 };
    assert_eq!(Options::default().node, node, "what is too large above");
}
