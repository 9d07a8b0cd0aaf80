//! What befalls the application master and the daemons of the cluster.

use crate::container::{Container, kill};
use crate::run::{Run, Settings};
use crate::stage::Stage;
use crate::until::{PATIENCE, until};
use crate::way::Way;
use std::fs;
use std::time::{Duration, Instant};

/// How long the ResourceManager is gone.
const GONE: Duration = Duration::from_secs(5);
/// How long it stands still: less than it lets others be silent, and more.
const PAUSED_SHORT: Duration = Duration::from_secs(3);
const PAUSED_LONG: Duration = Duration::from_secs(20);

/// Another attempt takes over the readers, which go on as if nothing were.
pub fn master_killed(stage: &Stage) -> Result<(), String> {
    let mut run = Run::start(stage, "F2", Settings::USUAL);
    let readers = run.midway(2)?;
    let first = run.master()?;
    kill(first.pid)?;
    run.until("a second attempt", |run| {
        run.containers("am").into_iter().find(|master| master.id != first.id)
    })?;
    obeys(&mut run, &readers)?;
    run.finish()
}

/// Its readers are replaced on the other nodes; when it comes back, it ends those that it still has.
pub fn node_killed(stage: &Stage) -> Result<(), String> {
    let mut run = Run::start(stage, "F3", Settings { readers: 4, ..Settings::USUAL });
    let (lost, count) = run.spread(4)?;
    let node = lost.node;
    stage.cluster.command(&["kill-nm", &node.to_string()])?;
    run.told(&[&lost.id, "exited -100"])?;
    run.until("as many readers on the other nodes", |run| {
        (run.containers("reader").iter().filter(|reader| reader.node != node).count() == count).then_some(())
    })?;
    run.gets_on()?;
    stage.cluster.command(&["start-nm", &node.to_string()])?;
    run.readers(count)?;
    run.gets_on()?;
    run.finish()?;
    stage.is_whole(PATIENCE)
}

/// Nothing happens to the readers, and the next one knows them.
pub fn manager_killed(stage: &Stage) -> Result<(), String> {
    let mut run = Run::start(stage, "F4", Settings::USUAL);
    let readers = run.midway(2)?;
    stage.cluster.command(&["kill-rm"])?;
    lasts(GONE)?;
    run.gets_on()?;
    stage.cluster.command(&["start-rm"])?;
    obeys(&mut run, &readers)?;
    run.finish()?;
    stage.is_whole(PATIENCE)
}

/// Nothing happens to the readers, and nothing is asked for twice. After a long stop it may take nodes and master for lost,
/// since it has not heard of them: what it takes away comes again.
pub fn manager_paused(stage: &Stage) -> Result<(), String> {
    let mut run = Run::start(stage, "F5", Settings::USUAL);
    let readers = run.midway(2)?;
    pause(&mut run, stage, PAUSED_SHORT)?;
    obeys(&mut run, &readers)?;
    pause(&mut run, stage, PAUSED_LONG)?;
    stage.is_whole(PATIENCE)?;
    run.readers(readers.len() + 1)?;
    run.until("no container too many", |run| (run.count() == Some(readers.len() as u64 + 2)).then_some(()))?;
    run.gets_on()?;
    run.finish()
}

fn pause(run: &mut Run<'_>, stage: &Stage, time: Duration) -> Result<(), String> {
    stage.cluster.command(&["pause-rm"])?;
    let paused = lasts(time).and_then(|()| run.gets_on());
    stage.cluster.command(&["resume-rm"])?;
    paused
}

/// The master reconnects by its new token.
pub fn key_rolled(stage: &Stage) -> Result<(), String> {
    let way = stage.runtime.block_on(Way::to(stage.cluster.address("rm_scheduler")));
    let conf = stage.folder.join("F12-conf");
    redirect(stage, &way, &conf).map_err(|error| error.to_string())?;
    let mut run = Run::start(stage, "F12", Settings { conf: Some(&conf), ..Settings::USUAL });
    let readers = run.midway(2)?;
    if way.connections() == 0 {
        return Err("the master does not take the way that the configuration names".to_owned());
    }
    for event in ["Rolling master-key for amrm-tokens", "Activating next master key"] {
        let count = || stage.cluster.log("rm").matches(event).count();
        let before = count();
        run.until(event, |_| (count() > before).then_some(()))?;
    }
    let before = way.connections();
    way.cut();
    run.until("a new connection", |_| (way.connections() > before).then_some(()))?;
    obeys(&mut run, &readers)?;
    run.finish()
}

/// A copy of the cluster's configuration in which the scheduler is at the other end of a way.
fn redirect(stage: &Stage, way: &Way, conf: &std::path::Path) -> std::io::Result<()> {
    fs::create_dir(conf)?;
    for file in ["core-site.xml", "yarn-site.xml"] {
        let text = fs::read_to_string(stage.cluster.conf().join(file))?;
        let text = text.replace(stage.cluster.address("rm_scheduler"), &way.address.to_string());
        fs::write(conf.join(file), text)?;
    }
    Ok(())
}

/// Whether these two readers live on, and a third one is had for the asking and no more: the whole chain from the operator
/// to the ResourceManager works.
fn obeys(run: &mut Run<'_>, readers: &[Container]) -> Result<(), String> {
    let same = run.readers(readers.len())?;
    if same != readers {
        return Err(format!("{readers:?} were to live on, but there are {same:?}"));
    }
    run.operator(&["scale", &(readers.len() + 1).to_string()])?;
    let more = run.readers(readers.len() + 1)?;
    if let Some(lost) = readers.iter().find(|reader| !more.contains(reader)) {
        return Err(format!("{lost:?} was to live on, but there are {more:?}"));
    }
    let containers = more.len() as u64 + 1;
    run.until("no container too many", |run| (run.count() == Some(containers)).then_some(()))?;
    run.gets_on()
}

/// For as long as a fault lasts.
fn lasts(time: Duration) -> Result<(), String> {
    let start = Instant::now();
    until("time passes", time + PATIENCE, || Ok((start.elapsed() >= time).then_some(())))
}
