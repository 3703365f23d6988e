"""The photographs on which the embedded models are measured: a part of Caltech-101, in folders named by wnid.

    python recipes/caltech_photographs.py caltech101-train.tar.gz --out runs/caltech.tar
    python -m papr_core evaluate --data runs/caltech.tar ... (the whole command stands in assets/README.md)

Caltech-101: Li, Andreeto, Ranzato, Perona, CaltechDATA 2022, CC BY 4.0. No embedded network was trained on
it. Taken is every folder whose name means one class of ImageNet, with all its pictures, drawings among them;
a name that means several classes (elephant, butterfly, chair, crab, lamp) or none is left out. Pictures are
copied as they are.
"""

import argparse
import os
import tarfile
from pathlib import Path, PurePosixPath

FOLDERS = {
    "Leopards": "n02128385",  # leopard, Panthera pardus
    "accordion": "n02672831",  # accordion, piano accordion, squeeze box
    "ant": "n02219486",  # ant, emmet, pismire
    "barrel": "n02795169",  # barrel, cask
    "beaver": "n02363005",  # beaver
    "binocular": "n02841315",  # binoculars, field glasses, opera glasses
    "cannon": "n02950826",  # cannon
    "cellphone": "n02992529",  # cellular telephone, cellular phone, cellphone, cell, mobile phone
    "cougar_body": "n02125311",  # cougar, puma, catamount, mountain lion
    "cougar_face": "n02125311",
    "crayfish": "n01985128",  # crayfish, crawfish, crawdad, crawdaddy
    "dalmatian": "n02110341",  # dalmatian, coach dog, carriage dog
    "dragonfly": "n02268443",  # dragonfly, darning needle
    "electric_guitar": "n03272010",  # electric guitar
    "ewer": "n03950228",  # pitcher, ewer
    "flamingo": "n02007558",  # flamingo
    "flamingo_head": "n02007558",
    "grand_piano": "n03452741",  # grand piano, grand
    "hedgehog": "n02346627",  # porcupine, hedgehog
    "laptop": "n03642806",  # laptop, laptop computer
    "llama": "n02437616",  # llama
    "lobster": "n01983481",  # American lobster, Northern lobster, Maine lobster
    "nautilus": "n01968897",  # chambered nautilus, pearly nautilus, nautilus
    "panda": "n02510455",  # giant panda, panda, panda bear
    "pizza": "n07873807",  # pizza, pizza pie
    "platypus": "n01873310",  # platypus, duckbill, duckbilled platypus
    "revolver": "n04086273",  # revolver, six-gun, six-shooter
    "rooster": "n01514668",  # cock
    "saxophone": "n04141076",  # sax, saxophone
    "schooner": "n04147183",  # schooner
    "scorpion": "n01770393",  # scorpion
    "soccer_ball": "n04254680",  # soccer ball
    "starfish": "n02317335",  # starfish, sea star
    "strawberry": "n07745940",  # strawberry
    "tick": "n01776313",  # tick
    "trilobite": "n01768244",  # trilobite
    "umbrella": "n04507155",  # umbrella
}


def choose(archive: Path, out: Path) -> int:
    """Write the pictures of FOLDERS as <wnid>/<folder>_<number>.webp into a tar file; how many there are."""
    count = 0
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    with tarfile.open(archive) as source, tarfile.open(part, "w") as target:
        for member in source:
            folder, name = PurePosixPath(member.name).parts[-2:] if "/" in member.name else ("", "")
            if member.isfile() and folder in FOLDERS:
                member.name = f"{FOLDERS[folder]}/{folder}_{name.removeprefix('image_')}"
                target.addfile(member, source.extractfile(member))
                count += 1
    os.replace(part, out)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path, help="caltech101-train.tar.gz")
    parser.add_argument("--out", type=Path, required=True, help="the tar file to write")
    options = parser.parse_args()
    print(f"{choose(options.archive, options.out)} photographs of {len(set(FOLDERS.values()))} classes")


if __name__ == "__main__":
    main()
