"""Installs the ROS package fol_vpr; called by colcon."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = 'fol_vpr'


def share(folder: str, pattern: str) -> tuple[str, list[str]]:
    """The files of `folder` that match `pattern`, installed to share/fol_vpr/`folder`."""
    return f'share/{NAME}/{folder}', sorted(str(path) for path in Path(folder).glob(pattern))


setup(
    name=NAME,
    version='0.1.0',
    description='Visual place recognition with FoL for ROS 2',
    license='Apache-2.0',
    maintainer='The fol_vpr authors',
    maintainer_email='fol-vpr@users.noreply.github.com',
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed', 'network/shipped/*', 'reporting/assets/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        share('launch', '*.launch.py'),
        share('config', '*.*'),
    ],
    zip_safe=False,
    extras_require={
        'test': ['pytest'],
        'onnx': ['onnx', 'onnxscript'],
        'onnxruntime': ['onnxruntime'],
        'openvino': ['openvino'],
        'milvus': ['pymilvus', 'milvus-lite'],
        'video': ['av'],
    },
    entry_points={
        'console_scripts': [
            'fol_vpr = fol_vpr.cli.main:main',
            'localizer = fol_vpr.ros.node.main:main',
        ],
    },
)
